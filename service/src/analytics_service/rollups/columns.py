"""The columns of each rollup, and how a row of raw becomes them. Pure SQL text over `traces AS t`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from analytics_service.rollups import sketches
from analytics_service.rollups.levels import Level

DIMENSIONS: Final = ("org_id", "project_id", "environment", "provider", "model", "operation_type", "status_code")
"""The columns that every rollup is grouped by; never null in raw."""

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
"""The columns that a rollup adds up. Sums are numeric: they never overflow, nor depend on the order of the rows."""

DETAILS: Final = ("user_id", "session_id", "team_id", "tags", "trace_id", "span_id", "error_message")
"""The columns that only raw has."""


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    raw: str
    """SQL: its value for one row of raw."""
    folded: str | None = None
    """SQL: its value for many rows of raw; None where the rows are grouped by `raw`."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The columns of a rollup beside its bucket."""

    columns: tuple[Column, ...]
    joined: str = ""
    """SQL: the join that makes several rows of one row of raw, or none."""


def _key(name: str, raw: str | None = None) -> Column:
    return Column(name=name, raw=raw or f"t.{name}")


def _measured(measure: str) -> tuple[Column, ...]:
    own = f"t.{measure}"
    return (
        Column(name=f"{measure}_sum", raw=f"{own}::numeric", folded=f"sum({own})::numeric"),
        Column(name=f"{measure}_count", raw=f"({own} IS NOT NULL)::int::bigint", folded=f"count({own})"),
        Column(name=f"{measure}_min", raw=own, folded=f"min({own})"),
        Column(name=f"{measure}_max", raw=own, folded=f"max({own})"),
    )


_DIMENSIONS: Final = tuple(_key(name) for name in DIMENSIONS)
_SUMS: Final = (
    Column(name="request_count", raw="1::bigint", folded="count(*)"),
    *(column for measure in MEASURES for column in _measured(measure)),
)
_TOTALS: Final = Shape(columns=(*_DIMENSIONS, *_SUMS))
_LATENCY: Final = Shape(
    columns=(
        *_DIMENSIONS,
        _key("measure", "m.measure"),
        _key("bin", sketches.bin_of("m.value")),
        Column(name="n", raw="1::bigint", folded="count(*)"),
    ),
    joined="JOIN LATERAL (VALUES ('duration_us', t.duration_us), ('ttft_us', t.ttft_us)) AS m (measure, value)"
    " ON m.value IS NOT NULL",
)

SHAPES: Final[Mapping[Level, Shape]] = MappingProxyType(
    {
        Level.MIN1: _TOTALS,
        Level.MIN15: _TOTALS,
        Level.HOUR: _TOTALS,
        Level.DAY: _TOTALS,
        Level.LATENCY: _LATENCY,
        Level.DAY_LATENCY: _LATENCY,
        Level.USERS: Shape(
            columns=(
                *_DIMENSIONS,
                _key("reg", sketches.register_of("h.hash")),
                Column(name="rank", raw=sketches.rank_of("h.hash"), folded=f"max({sketches.rank_of('h.hash')})"),
            ),
            joined=f"JOIN LATERAL (VALUES ({sketches.hash_of('t.user_id')})) AS h (hash) ON h.hash IS NOT NULL",
        ),
        Level.DAY_USER: Shape(columns=(*_DIMENSIONS, _key("user_id"), *_SUMS)),
        Level.DAY_TEAM: Shape(columns=(*_DIMENSIONS, _key("team_id"), *_SUMS)),
        # a tag that a request has twice counts once
        Level.DAY_TAG: Shape(
            columns=(*_DIMENSIONS, _key("tag", "u.tag"), *_SUMS),
            joined="LEFT JOIN LATERAL (SELECT DISTINCT tag FROM unnest(t.tags) AS each (tag)) AS u ON true",
        ),
        Level.RAW: Shape(columns=(*_DIMENSIONS, *_SUMS, *(_key(name) for name in DETAILS))),
    }
)


def names(level: Level) -> tuple[str, ...]:
    """The columns of a level's table, in the order of every INSERT and SELECT."""
    return ("bucket", *(column.name for column in SHAPES[level].columns))


def from_rollup(level: Level, alias: str, bucket: str) -> str:
    """The select list that reads a rollup's row, with `bucket` in place of its own."""
    return ", ".join((f"{bucket} AS bucket", *(f"{alias}.{name}" for name in names(level)[1:])))


def from_raw(level: Level, bucket: str) -> str:
    """The select list that shows one row of raw in a level's columns."""
    return ",\n    ".join((f"{bucket} AS bucket", *(f"{each.raw} AS {each.name}" for each in SHAPES[level].columns)))


def folded(level: Level, bucket: str) -> str:
    """The select list that makes a rollup's rows from those of raw, to be grouped by `grouping`."""
    columns = (f"{each.folded or each.raw} AS {each.name}" for each in SHAPES[level].columns)
    return ",\n    ".join((f"{bucket} AS bucket", *columns))


def grouping(level: Level) -> str:
    """The places of the bucket and of every column that is grouped by."""
    keys = (place for place, each in enumerate(SHAPES[level].columns, start=2) if each.folded is None)
    return ", ".join(str(place) for place in (1, *keys))
