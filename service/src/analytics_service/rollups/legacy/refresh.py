"""Keeps the log of the release before short, and makes its rollups equal to raw: late, and before raw ends.

Each step is one transaction under the advisory locks by which that release refreshes the same buckets, so both may run
at once. Its key of a cached answer is the version of the days and the number of their entries at the level of days; so
what is taken of these is added to the version, and to `rollup_version.legacy`, which says how much of the version is
no write: the keys of this release leave it out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.refresh import UNBOUNDED, segments
from analytics_service.rollups.legacy.levels import SHAPES, Level

MAX_ENTRIES: Final = 200
"""Statements that touched a day of an organisation: with more, its entries are made one for each bucket."""
_DAY: Final = timedelta(days=1)

_NONE: Final = timedelta(0)
_SET_TIMEOUT: Final = "SELECT set_config('statement_timeout', $1, true)"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_SHARE_HORIZONS: Final = "SELECT FROM rollup_floor CROSS JOIN rollup_level FOR SHARE"
_CROWDED: Final = """
SELECT org_id, bucket_start AS day FROM rollup_dirty WHERE level = '1day'
GROUP BY 1, 2 HAVING count(*) > $1 ORDER BY count(*) DESC
"""
_UNITS: Final = f"""
SELECT DISTINCT org_id, {bucket_of(_DAY, "bucket_start")} AS day FROM rollup_dirty WHERE bucket_start < $1
ORDER BY day, org_id
"""
_DEDUPLICATE: Final = """
WITH removed AS (
  DELETE FROM rollup_dirty AS d USING (
    SELECT level, bucket_start, min(ctid) AS one FROM rollup_dirty
    WHERE org_id = $1 AND level = ANY($3::text[]) AND bucket_start >= $2 AND bucket_start < $2 + interval '1 day'
    GROUP BY 1, 2 HAVING count(*) > 1
  ) AS s
  WHERE d.org_id = $1 AND d.level = s.level AND d.bucket_start = s.bucket_start AND d.ctid <> s.one
  RETURNING d.level
), versions AS (
  INSERT INTO rollup_version AS v (org_id, day, version, legacy)
  SELECT $1, $2, count(*), count(*) FROM removed WHERE level = '1day' HAVING count(*) > 0
  ON CONFLICT (org_id, day) DO UPDATE SET version = v.version + excluded.version, legacy = v.legacy + excluded.legacy
)
SELECT count(*) FROM removed
"""
_CONSUME: Final = """
WITH consumed AS (
  DELETE FROM rollup_dirty
  WHERE org_id = $1 AND level = $3 AND bucket_start >= $2 AND bucket_start < $2 + interval '1 day'
  RETURNING bucket_start
), versions AS (
  INSERT INTO rollup_version AS v (org_id, day, version, legacy)
  SELECT $1, $2, count(*), count(*) FROM consumed HAVING count(*) > 0
  ON CONFLICT (org_id, day) DO UPDATE SET version = v.version + excluded.version, legacy = v.legacy + excluded.legacy
)
SELECT DISTINCT bucket_start, bucket_start >= greatest(raw.floor, ours.floor) AS retained
FROM consumed CROSS JOIN rollup_floor AS raw JOIN rollup_level AS ours ON ours.level = $3
ORDER BY bucket_start
"""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A UTC day of an organisation that has entries."""

    organisation: str
    day: datetime

    def lock(self, level: Level) -> str:
        """As the release before names it."""
        return f"analytics.refresh/{level.value}/{self.day.isoformat()}/{self.organisation}"


async def crowded_units(connection: Connection, *, entries: int = MAX_ENTRIES) -> list[Unit]:
    """Those with more entries at the level of days: one for each statement."""
    return _units(await connection.fetch(_CROWDED, entries))


async def units_before(connection: Connection, until: datetime = UNBOUNDED) -> list[Unit]:
    """Those with buckets that begin before `until`, the oldest day first."""
    return _units(await connection.fetch(_UNITS, until))


def _units(rows: Iterable[Any]) -> list[Unit]:
    return [Unit(organisation=row["org_id"], day=row["day"]) for row in rows]


async def deduplicate(connection: Connection, unit: Unit) -> int:
    """Leaves one entry for each bucket; returns the number of those that went.

    Under the locks of its refreshes: one of them might take the entry that is left, and know only of its rows.
    """
    async with connection.transaction(isolation="read_committed"):
        for level in Level:
            await connection.execute(_LOCK, unit.lock(level))
        removed: int = await connection.fetchval(_DEDUPLICATE, unit.organisation, unit.day, list(Level))
    return removed


async def refresh_unit(connection: Connection, unit: Unit, *, limit: timedelta = _NONE) -> int:
    """Refreshes all buckets of the unit, a level a transaction; returns how many.

    QueryCanceledError where one statement takes longer than the `limit`, if there is one.
    """
    return sum([await _refresh(connection, unit, level, limit) for level in Level])


async def refresh_before(connection: Connection, until: datetime = UNBOUNDED) -> int:
    """Refreshes all buckets that begin before `until`; returns how many."""
    return sum([await refresh_unit(connection, unit) for unit in await units_before(connection, until)])


async def _refresh(connection: Connection, unit: Unit, level: Level, limit: timedelta) -> int:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(_SET_TIMEOUT, str(round(limit.total_seconds() * 1000)))
        await connection.execute(_LOCK, unit.lock(level))
        await connection.execute(_SHARE_HORIZONS)
        rows = await connection.fetch(_CONSUME, unit.organisation, unit.day, level.value)
        dirty = [row["bucket_start"] for row in rows if row["retained"]]
        if dirty:
            starts, ends = segments(dirty, level.step)
            await connection.execute(_delete(level), unit.organisation, dirty)
            await connection.execute(_insert(level), unit.organisation, starts, ends, starts[0], ends[-1])
    return len(dirty)


def _delete(level: Level) -> str:
    return f"DELETE FROM {level.table} WHERE org_id = $1 AND bucket = ANY($2::timestamptz[])"


def _insert(level: Level) -> str:
    """As rollups/hierarchy/raw.py, each segment is one range of an index."""
    shape = SHAPES[level]
    columns = {"bucket": bucket_of(level.step, "t.ts"), **shape.keys, **shape.sums}
    return f"""
INSERT INTO {level.table} ({", ".join(columns)})
SELECT {", ".join(columns.values())}
FROM unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
CROSS JOIN LATERAL (
  SELECT * FROM traces AS inside
  WHERE inside.org_id = $1 AND inside.ts >= s.first AND inside.ts < s.last AND inside.ts >= $4 AND inside.ts < $5
  OFFSET 0
) AS t {shape.joined}
WHERE t.is_request
GROUP BY {", ".join(str(place) for place in range(1, 2 + len(shape.keys)))}
"""
