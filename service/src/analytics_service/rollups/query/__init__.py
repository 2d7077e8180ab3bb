"""The requests that an answer is computed from: `WITH logged AS (...), ..., requests AS (...)`, to put before a SELECT.

One statement, so one snapshot: what is stale, the rollups and raw belong together, and the answer equals the one from
raw at every moment, while writers and refreshes run.

A bucket that lies wholly in the range and is not stale is read from its rollup. All others, which are the stale ones
and those that the two ends of the range cut, are *gaps*: they are read from the next finer table, whose own gaps go to
the next one, and at last to raw. So while rows arrive, raw is read for the minutes alone that the worker has not
refreshed.

Below the horizon of a table its rows are gone, or about to go: the whole range below it is the next one's. Below the
horizon of raw, raw answers nothing: what comes so far is *lost*: no table can tell its rows from those of the same
bucket outside the range, or none has them any more. COMPLETENESS names it.

Arguments: $1 organisation, $2 projects (text[] or NULL for all), $3 from, $4 to (half-open). Yours start at $5.
"""

from functools import cache
from types import MappingProxyType
from typing import Final

from analytics_service.database.tenancy import RAW_HORIZON, predicate_in_range
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import columns, gaps
from analytics_service.rollups.query.chains import Chain
from analytics_service.rollups.query.details import Details

TABLES: Final = MappingProxyType(
    {
        Level.MIN1: Table.TOTALS_1MIN,
        Level.MIN15: Table.TOTALS_15MIN,
        Level.HOUR: Table.TOTALS_1HOUR,
        Level.DAY: Table.TOTALS_1DAY,
        Level.DAY_USER: Table.USER_1DAY,
        Level.DAY_TEAM: Table.TEAM_1DAY,
        Level.DAY_TAG: Table.TAG_1DAY,
    }
)
"""The table that a level is answered from first."""

COMPLETENESS: Final = """
SELECT (SELECT min(bucket) FROM unrefreshed) AS watermark, below_retention,
  edges - below_retention AS edge_below_retention
FROM (
  SELECT coalesce(range_agg(tstzrange(first, last)) FILTER (WHERE NOT edge), '{}') AS below_retention,
    coalesce(range_agg(tstzrange(first, last)) FILTER (WHERE edge), '{}') AS edges
  FROM lost
) AS stretches
"""
"""One row: the oldest bucket that is read from raw, and what is lost, as rollups/incomplete.py takes it: what is below
every horizon, and parts of buckets that are retained."""

RAW_COMPLETENESS: Final = f"""
SELECT CASE WHEN $3::timestamptz < floor
  THEN tstzmultirange(tstzrange($3::timestamptz, least($4::timestamptz, floor))) ELSE '{{}}' END AS below_retention
FROM ({RAW_HORIZON}) AS raw
"""
"""One row: what is lost of a question that reads nothing but raw."""


@cache
def requests(level: Level, *others: Table, boundaries: str | None = None, cut: bool = False) -> str:
    """The common table expressions that end with `requests`, and with `name_of` each of `others`.

    A row of `requests` stands for `request_count` requests of its `bucket`; group by what you need. At Level.RAW a row
    is a row of raw, `bucket` is its moment, and the columns of raw alone are there too. A row of `latency` has `codes`
    and `counts`; one of `users` has `codes`, or one `user_id` where it is Table.USER_1DAY:
    rollups/hierarchy/latency.py. A row of `tags` is as one of `requests` and has one `tag`: a request counts once for
    each of its tags, or once without one. `boundaries` is the argument with the starts of the answer's buckets: no row
    of a sketch crosses one. With `cut` none of `requests` does either, wherever the boundaries lie; else the level has
    to be one whose buckets do not (levels.choose), but for Details.
    """
    if level is Level.RAW:
        return _raw_only()
    totals = _part("requests", TABLES[level], boundaries if cut else None)
    parts = [totals, *(_part(name_of(each), each, boundaries) for each in others)]
    tables = [table for part in parts for table in part.tables]
    unrefreshed = " UNION ALL ".join(dict.fromkeys(f"SELECT bucket FROM {part.unrefreshed}" for part in parts))
    lost = " UNION ALL ".join(f"SELECT first, last, edge FROM {part.name}_lost" for part in parts)
    return "WITH " + ",\n".join(
        (
            *gaps.staleness(tables),
            *(each for part in parts for each in part.expressions()),
            f"unrefreshed AS ({unrefreshed})",
            f"lost AS ({lost})",
        )
    )


def in_range(expressions: str, start: str, end: str) -> str:
    """The expressions of `requests` for the range between two other arguments than $3 and $4."""
    return expressions.replace("$3::", f"{start}::").replace("$4::", f"{end}::")


def name_of(table: Table) -> str:
    """`latency`, `users` or `tags`."""
    if table is Table.TAG_1DAY:
        return "tags"
    return "latency" if table.value.startswith("latency") else "users"


def _part(name: str, table: Table, boundaries: str | None = None) -> Chain | Details:
    if table in {Table.USER_1DAY, Table.TEAM_1DAY, Table.TAG_1DAY}:
        sums = ("request_count",) if name == "users" else Details.sums
        return Details(name=name, table=table, sums=sums)
    return Chain(name=name, table=table, boundaries=boundaries)


def _raw_only() -> str:
    return f"""WITH unrefreshed AS (SELECT NULL::timestamptz AS bucket WHERE false),
requests AS (
  SELECT {columns.requests_of_raw()}
  FROM traces AS t
  WHERE {predicate_in_range("t")} AND t.is_request
), lost AS (
  SELECT $3::timestamptz AS first, least($4::timestamptz, {RAW_HORIZON}) AS last, false AS edge
  WHERE $3::timestamptz < {RAW_HORIZON}
)"""
