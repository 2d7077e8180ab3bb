"""Makes dirty buckets of the rollups equal to raw again.

Every statement that changes `traces` appends the buckets that it touches to `rollup_dirty`, in its own transaction. A
unit is the dirty buckets of one organisation at one level on one UTC day. It is refreshed in one transaction under one
advisory lock, so any number of refreshes may run beside any number of writers.

The order inside makes it right: the entries that are visible are deleted first, and the buckets are computed by a later
statement, whose newer snapshot (READ COMMITTED) holds every row that those entries stand for. A row that commits in
between leaves an entry of its own, which the deletion did not see, for the next refresh. With one snapshot for both, a
row could be missed whose entry was deleted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from analytics_service.database.connect import Connection
from analytics_service.rollups.columns import SHAPES, folded, grouping, names
from analytics_service.rollups.levels import ROLLUPS, Level
from analytics_service.rollups.query import EPOCH, interval

_UNITS = f"""
SELECT DISTINCT d.level, d.org_id, date_bin('1 day', d.bucket_start, {EPOCH}) AS day
FROM rollup_dirty AS d JOIN unnest($2::text[], $3::interval[]) AS levels (level, step) USING (level)
WHERE d.bucket_start + levels.step <= $1
ORDER BY day, d.org_id
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_SHARE_HORIZON = "SELECT FROM rollup_floor FOR SHARE"  # raw rows are not dropped while they are read
_CONSUME = """
WITH consumed AS (
    DELETE FROM rollup_dirty
    WHERE level = $1 AND org_id = $2 AND bucket_start >= $3 AND bucket_start < $3 + interval '1 day'
        AND bucket_start + $4::interval <= $5
    RETURNING bucket_start
)
SELECT DISTINCT bucket_start, bucket_start >= greatest(raw.floor, ours.floor) AS kept
FROM consumed CROSS JOIN rollup_floor AS raw JOIN rollup_level AS ours ON ours.level = $1
ORDER BY bucket_start
"""
_BUMP = """
INSERT INTO rollup_version AS v (org_id, day, version) VALUES ($1, $2, 1)
ON CONFLICT (org_id, day) DO UPDATE SET version = v.version + 1
"""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of units that are done, and with that of all."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The dirty buckets that one transaction refreshes."""

    level: Level
    organisation: str
    day: datetime

    @property
    def lock(self) -> str:
        return f"analytics.refresh/{self.level.code}/{self.day.isoformat()}/{self.organisation}"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Contiguous dirty buckets: a half-open range of time."""

    start: datetime
    end: datetime


UNBOUNDED: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""The default of `until`: no bucket ends later."""


async def refresh(connection: Connection, progress: Progress | None = None) -> int:
    """Refreshes all that was dirty when it began; returns the number of buckets."""
    due = await dirty_units(connection)
    buckets = 0
    for number, unit in enumerate(due):
        if progress is not None:
            progress(number, len(due))
        buckets += await refresh_unit(connection, unit)
    if progress is not None:
        progress(len(due), len(due))
    return buckets


async def refresh_unit(connection: Connection, unit: Unit, *, until: datetime = UNBOUNDED) -> int:
    """Refreshes the buckets of one unit that end by `until`; returns how many were dirty.

    Another refresh of the unit is waited for.
    """
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(_LOCK, unit.lock)
        await connection.execute(_SHARE_HORIZON)
        rows = await connection.fetch(_CONSUME, unit.level.code, unit.organisation, unit.day, unit.level.step, until)
        if not rows:
            return 0
        dirty = [row["bucket_start"] for row in rows if row["kept"]]
        if dirty:
            await connection.execute(_delete(unit.level), unit.organisation, dirty)
            contiguous = segments(dirty, unit.level.step)
            starts, ends = [each.start for each in contiguous], [each.end for each in contiguous]
            await connection.execute(_insert(unit.level), unit.organisation, starts, ends, starts[0], ends[-1])
        await connection.execute(_BUMP, unit.organisation, unit.day)
        return len(dirty)


def segments(starts: Sequence[datetime], step: timedelta) -> list[Segment]:
    """The contiguous ranges that sorted, distinct bucket starts cover."""
    ranges: list[Segment] = []
    for start in starts:
        if ranges and ranges[-1].end == start:
            ranges[-1] = Segment(start=ranges[-1].start, end=start + step)
        else:
            ranges.append(Segment(start=start, end=start + step))
    return ranges


async def dirty_units(connection: Connection, *, until: datetime = UNBOUNDED) -> list[Unit]:
    """The units that are dirty now, of buckets that end by `until`; the oldest day first."""
    levels = {level.code: level for level in ROLLUPS}
    rows = await connection.fetch(_UNITS, until, list(levels), [level.step for level in ROLLUPS])
    return [Unit(level=levels[row["level"]], organisation=row["org_id"], day=row["day"]) for row in rows]


def _delete(level: Level) -> str:
    return f"DELETE FROM {level.table} WHERE org_id = $1 AND bucket = ANY($2::timestamptz[])"


def _insert(level: Level) -> str:
    """OFFSET 0 keeps the planner from pulling the subquery up: each segment is one range of an index.

    $4 and $5 bound all segments, so that the chunks of other days are left out.
    """
    bucket = f"date_bin({interval(level.step)}, t.ts, {EPOCH})"
    return f"""
INSERT INTO {level.table} ({", ".join(names(level))})
SELECT {folded(level, bucket)}
FROM unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
CROSS JOIN LATERAL (
    SELECT * FROM traces AS inside
    WHERE inside.org_id = $1 AND inside.ts >= s.first AND inside.ts < s.last AND inside.ts >= $4 AND inside.ts < $5
    OFFSET 0
) AS t {SHAPES[level].joined}
WHERE t.is_request
GROUP BY {grouping(level)}
"""
