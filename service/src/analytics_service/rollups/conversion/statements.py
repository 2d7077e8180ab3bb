"""The statements that copy rollups of before into those of today. Pure.

Arguments: $1 organisation, $2 and $3 the starts and the ends of the segments of time, $4 NULL.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from analytics_service.rollups.hierarchy import details, latency
from analytics_service.rollups.hierarchy.columns import DIMENSIONS, EPOCH, MEASURES
from analytics_service.rollups.hierarchy.latency import RANKS, TTFT_CODES
from analytics_service.rollups.hierarchy.raw import SEGMENTS
from analytics_service.rollups.hierarchy.tables import Table

LEVELS: Final[Mapping[Table, str]] = MappingProxyType(
    {
        Table.TOTALS_1MIN: "1min",
        Table.TOTALS_15MIN: "15min",
        Table.TOTALS_1HOUR: "1hour",
        Table.TOTALS_1DAY: "1day",
        Table.LATENCY_1HOUR: "1hour_latency",
        Table.LATENCY_6HOUR: "1hour_latency",
        Table.LATENCY_1DAY: "1day_latency",
        Table.USERS_1HOUR: "1hour_users",
        Table.USERS_6HOUR: "1hour_users",
        Table.USER_1DAY: "1day_user",
        Table.TEAM_1DAY: "1day_team",
        Table.TAG_1DAY: "1day_tag",
    }
)
"""The level of before that each table has its rows from: `rollup_` and this is its table."""
MERGED: Final[Mapping[Table, str]] = MappingProxyType(
    {
        Table.LATENCY_6HOUR: latency.histograms_of_finer(Table.LATENCY_6HOUR),
        Table.USERS_6HOUR: latency.registers_of_finer(Table.USERS_6HOUR),
    }
)
"""Tables that no level of before is like: they are made of those that were copied."""

_KEYS: Final = DIMENSIONS[:6]
"""The dimensions of before: the others are empty in its rows."""


def _rows(table: Table) -> str:
    return f"""unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
CROSS JOIN LATERAL (
  SELECT * FROM rollup_{LEVELS[table]} AS inside
  WHERE inside.org_id = $1 AND inside.bucket >= s.first AND inside.bucket < s.last
  OFFSET 0
) AS o"""


def _numbered(table: Table) -> str:
    same = " AND ".join(f"d.{name} = o.{name}" for name in _KEYS)
    return f"""{_rows(table)}
JOIN rollup_dimension AS d ON d.org_id = $1 AND d.service_tier = '' AND d.price_status = '' AND {same}"""


def number(table: Table) -> str:
    """Numbers the combinations of dimensions that have no number yet."""
    keys = ", ".join(_KEYS)
    same = " AND ".join(f"d.{name} = o.{name}" for name in _KEYS)
    return f"""
INSERT INTO rollup_dimension (org_id, {keys}, service_tier, price_status)
SELECT $1, {keys}, '', '' FROM (SELECT DISTINCT {keys} FROM {_rows(table)}) AS o
WHERE NOT EXISTS (
  SELECT FROM rollup_dimension AS d
  WHERE d.org_id = $1 AND d.service_tier = '' AND d.price_status = '' AND {same}
)"""


def copy(table: Table) -> str:
    """Copies the rows, none of which are in the table; every combination has its number."""
    if table in details.DAYS:
        return _copy_details(table)
    if table is Table.USERS_1HOUR:
        return _copy_users(table)
    return _copy_totals(table) if table.value.startswith("totals") else _copy_latency(table)


def _copy_totals(table: Table) -> str:
    extremes = [f"{measure}_{part}" for measure in MEASURES for part in ("min", "max")]
    sums = [f"{measure}_sum" for measure in MEASURES]
    columns = ", ".join(("request_count", *sums, *extremes, *(f"{measure}_missing" for measure in MEASURES)))
    values = ", ".join((*(f"o.{name}" for name in ("request_count", *sums, *extremes)), _missing()))
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, {columns})
SELECT $1, o.bucket, d.dim, {values} FROM {_numbered(table)}"""


def _copy_details(table: Table) -> str:
    key, sums = details.DAYS[table], [f"{measure}_sum" for measure in MEASURES]
    columns = ", ".join(("request_count", *sums, *(f"{measure}_missing" for measure in MEASURES)))
    values = ", ".join(("o.request_count", *(f"nullif(o.{name}, 0)" for name in sums), _missing()))
    return f"""
INSERT INTO {table.sql} (org_id, bucket, {key}, dim, {columns})
SELECT $1, o.bucket, o.{key}, d.dim, {values} FROM {_numbered(table)}"""


def _missing() -> str:
    return ", ".join(f"nullif(o.request_count - o.{measure}_count, 0)" for measure in MEASURES)


def _copy_latency(table: Table) -> str:
    code = f"CASE WHEN o.measure = 'ttft_us' THEN o.bin + {TTFT_CODES} ELSE o.bin END::smallint"
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, codes, counts)
SELECT $1, bucket, dim, array_agg(code ORDER BY code), array_agg(n ORDER BY code)
FROM (SELECT o.bucket, d.dim, {code} AS code, o.n FROM {_numbered(table)}) AS bins
GROUP BY bucket, dim"""


def _copy_users(table: Table) -> str:
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, codes)
SELECT $1, bucket, dim, array_agg(code ORDER BY code)
FROM (SELECT o.bucket, d.dim, o.reg::integer * {RANKS} + o.rank AS code FROM {_numbered(table)}) AS registers
GROUP BY bucket, dim"""


def delete(table: Table) -> str:
    """Takes away what a refresh wrote before the days were converted."""
    return f"""
DELETE FROM {table.sql} AS r USING unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
WHERE r.org_id = $1 AND r.bucket >= s.first AND r.bucket < s.last"""


LOG_OF_RAW: Final = f"""
INSERT INTO rollup_log (org_id, minute, requests)
SELECT DISTINCT $1, date_bin('1 minute', t.ts, {EPOCH}), true FROM {SEGMENTS} WHERE t.is_request"""
"""Has minutes be made of raw. Arguments: rollups/hierarchy/raw.py."""

FORGET_TRANSACTIONS: Final = """
UPDATE rollup_log AS l SET transaction_id = NULL FROM unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
WHERE l.org_id = $1 AND l.minute >= s.first AND l.minute < s.last AND l.transaction_id IS NOT NULL"""
"""The copied minutes may have the rows of those transactions: they are made of raw, and not added to. Arguments: $1
organisation, $2 and $3 the starts and the ends of the segments."""

_ON_DAY: Final = "r.org_id = $1 AND r.bucket >= day AND r.bucket < day + interval '24 hours'"
MARK_UNPARTED: Final = f"""
INSERT INTO rollup_unparted (org_id, day)
SELECT $1, day FROM unnest($2::timestamptz[]) AS days (day)
WHERE {
    " OR ".join(
        f"EXISTS (SELECT FROM {table.sql} AS r WHERE {_ON_DAY})" for table in (*details.DAYS, Table.USERS_1HOUR)
    )
}
ON CONFLICT DO NOTHING"""
"""Arguments: $1 organisation, $2 days that were copied and have raw rows."""

UNCLEAN: Final = f"""
SELECT day FROM unnest($2::timestamptz[]) AS days (day)
WHERE EXISTS (
  SELECT FROM rollup_level AS l WHERE EXISTS (
    SELECT FROM rollup_dirty AS r WHERE r.org_id = $1 AND r.level = l.level
      AND r.bucket_start >= day AND r.bucket_start < day + interval '24 hours'
  )
) OR {" OR ".join(f"EXISTS (SELECT FROM {name} AS r WHERE {_ON_DAY})" for name in ("rollup_stale", "rollup_part"))}"""
"""The days that the log of before names, or that a refresh of today's has begun with; arguments as MARK_UNPARTED."""

RAISE_HORIZONS: Final = f"""
UPDATE rollup_horizon AS h SET floor = l.floor
FROM (VALUES {", ".join(f"('{table.value}', '{level}')" for table, level in LEVELS.items())}) AS m (name, level)
JOIN rollup_level AS l USING (level)
WHERE h.name = m.name AND h.floor < l.floor"""
"""Rows below the horizon of their level may be deleted any moment."""

DAYS: Final = """
SELECT day FROM (
  SELECT day FROM rollup_version WHERE org_id = $1
  UNION SELECT bucket_start FROM rollup_dirty WHERE org_id = $1 AND level = '1day'
) AS days
WHERE day < (SELECT done_from FROM rollup_conversion WHERE org_id = $1)
ORDER BY day DESC"""
"""A day has a version since it was first refreshed, and before that it is in the log at every level."""
ORGANISATIONS: Final = "SELECT org_id FROM rollup_conversion WHERE done_from > '-infinity' ORDER BY org_id"
RECORD: Final = """
UPDATE rollup_conversion SET done_from = CASE WHEN $3 THEN '-infinity' ELSE $2::timestamptz END WHERE org_id = $1"""
"""Arguments: $1 organisation, $2 the first day that was converted, $3 whether there is none before."""
