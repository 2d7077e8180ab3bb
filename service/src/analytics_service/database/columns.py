"""The columns that raw and rollups share: dimensions, measures, and how one becomes the other. Pure SQL text."""

from typing import Final

DIMENSIONS: Final = ("org_id", "project_id", "environment", "provider", "model", "operation_type", "status_code")
"""What a rollup groups by; never null in raw."""

MEASURES: Final = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cost_usd",
    "completion_cost_usd",
    "total_cost_usd",
    "duration_us",
    "ttft_us",
)
"""What a rollup adds up. Sums are numeric: they never overflow, and never depend on the order of the rows."""

DETAILS: Final = ("user_id", "session_id", "team_id", "tags", "trace_id", "span_id", "error_message")
"""What only raw knows."""


def rollup_columns() -> tuple[str, ...]:
    """The columns of a rollup table, in the order of every INSERT and SELECT."""
    measured = (f"{measure}_{what}" for measure in MEASURES for what in ("sum", "count", "min", "max"))
    return ("bucket", *DIMENSIONS, "request_count", *measured)


def from_rollup(alias: str, bucket: str) -> str:
    """The select list that reads a rollup's row, with `bucket` in place of its own."""
    return ", ".join((f"{bucket} AS bucket", *(f"{alias}.{column}" for column in rollup_columns()[1:])))


def from_raw(alias: str, bucket: str) -> str:
    """The select list that shows one raw row in a rollup's columns."""
    measured = (
        f"{alias}.{m}::numeric AS {m}_sum, ({alias}.{m} IS NOT NULL)::int::bigint AS {m}_count, "
        f"{alias}.{m} AS {m}_min, {alias}.{m} AS {m}_max"
        for m in MEASURES
    )
    dimensions = (f"{alias}.{name}" for name in DIMENSIONS)
    return ",\n    ".join((f"{bucket} AS bucket", ", ".join(dimensions), "1::bigint AS request_count", *measured))


def aggregated(alias: str, bucket: str) -> str:
    """The select list that makes a rollup's rows from raw ones, to be grouped by `bucket` and the dimensions."""
    measured = (
        f"sum({alias}.{m})::numeric AS {m}_sum, count({alias}.{m}) AS {m}_count, "
        f"min({alias}.{m}) AS {m}_min, max({alias}.{m}) AS {m}_max"
        for m in MEASURES
    )
    dimensions = (f"{alias}.{name}" for name in DIMENSIONS)
    return ",\n    ".join((f"{bucket} AS bucket", ", ".join(dimensions), "count(*) AS request_count", *measured))
