"""The columns that rollups sum, and the SQL that makes them from raw and from finer rows. Pure."""

from typing import Final

DIMENSIONS: Final = (
    *("project_id", "environment", "provider", "model", "operation_type", "status_code"),
    *("service_tier", "price_status"),
)
"""The columns of `rollup_dimension`, beside the organisation; never null in raw."""

MEASURES: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cost_usd", "completion_cost_usd", "total_cost_usd"),
    *("duration_us", "ttft_us"),
)
"""The columns with a sum, a count of the requests where they are known, a minimum and a maximum of single requests."""

USAGE: Final = (
    *("cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "reasoning_tokens"),
    *("audio_input_tokens", "audio_output_tokens", "images", "web_searches", "audio_seconds", "billed_units"),
)
"""The kinds of usage with a sum alone, which is NULL where it is zero: most requests have few of them."""

SUMS: Final = (
    "request_count",
    *(f"{measure}_{part}" for measure in MEASURES for part in ("sum", "missing")),
    *(f"{usage}_sum" for usage in USAGE),
)
"""What adds up: also with a minus, so that a part of it can be replaced. `_missing` counts the requests of which a
value is not known. All but the number of requests and the sums of measures are NULL where they are zero."""

EXTREMES: Final = tuple(f"{measure}_{part}" for measure in MEASURES for part in ("min", "max"))
TOTALS: Final = (*SUMS, *EXTREMES)
EPOCH: Final = "'1970-01-01T00:00:00Z'::timestamptz"


def sum_of(name: str) -> str:
    """SQL: the sum of a column that is mostly NULL, and NULL where all are.

    The filter saves the memory that PostgreSQL takes for a sum at its first row, even if that has NULL: a third of the
    CPU of many small groups.
    """
    return f"sum({name}) FILTER (WHERE {name} IS NOT NULL)"


def sums_of_raw(alias: str) -> str:
    """The select list of SUMS over rows of raw."""
    columns = [f"sum({alias}.request_weight)::bigint AS request_count"]
    for measure in MEASURES:
        missing = f"sum({alias}.request_weight) FILTER (WHERE {alias}.{measure} IS NULL)"
        columns.append(f"sum({alias}.{measure})::numeric AS {measure}_sum")
        columns.append(f"{missing}::bigint AS {measure}_missing")
    columns += [f"nullif({sum_of(f'{alias}.{usage}')}, 0)::numeric AS {usage}_sum" for usage in USAGE]
    return ", ".join(columns)


def is_single(alias: str) -> str:
    """SQL: whether a row of raw is one request: a sum of many has no place in histograms, minima and maxima."""
    return f"{alias}.request_weight = 1"


def totals_of_raw(alias: str) -> str:
    """The select list of TOTALS over rows of raw."""
    extremes = [
        f"{part}({alias}.{measure}) FILTER (WHERE {is_single(alias)}) AS {measure}_{part}"
        for measure in MEASURES
        for part in ("min", "max")
    ]
    return ", ".join((sums_of_raw(alias), *extremes))


def totals_of_finer(alias: str) -> str:
    """The select list of TOTALS over rows of a finer rollup."""
    return ", ".join(
        (
            *(f"sum({alias}.{name})::{_type(name)} AS {name}" for name in SUMS),
            *(f"{name[-3:]}({alias}.{name}) AS {name}" for name in EXTREMES),
        )
    )


def _type(name: str) -> str:
    return "bigint" if name.endswith(("_count", "_missing")) else "numeric"


def counts(alias: str) -> str:
    """The select list of `_count`: the number of requests of which a measure is known."""
    return ", ".join(
        f"{alias}.request_count - coalesce({alias}.{measure}_missing, 0) AS {measure}_count" for measure in MEASURES
    )
