"""The worker's jobs and their intervals: the table that `jobs` returns. Each may be stopped anywhere and run again."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.database.partitions import end_of_partitions, has_native_partitions
from analytics_service.rollups.levels import ROLLUPS, Level
from analytics_service.rollups.refresh import Unit, dirty_units, refresh_unit
from analytics_service.settings import Settings
from analytics_service.worker.policies import reconcile_policies
from analytics_service.worker.retention import Retention
from analytics_service.worker.snapshots import SnapshotWatch

PARTITIONS_AHEAD: Final = timedelta(days=7)
"""Partitions are made for so long before they are needed."""
MAX_POLL_INTERVAL: Final = timedelta(seconds=2)
"""Of the dirty log."""
_WATERMARKS: Final = """
SELECT d.level, min(d.bucket_start) AS watermark FROM rollup_dirty AS d JOIN rollup_level AS l USING (level)
WHERE d.bucket_start + l.step <= $1 GROUP BY d.level
"""
_NONE: Final = timedelta(0)


@dataclass
class Refresher:
    """Makes rollups equal to raw where their buckets have ended; queries read open ones from raw."""

    pauses: Mapping[timedelta, timedelta]
    """From one refresh of a unit to its next, by the width of its buckets: late rows come in crowds, and each refresh
    reads all raw rows of a bucket."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _refreshed_at: dict[Unit, datetime] = field(default_factory=dict)
    _dirty_since: dict[Unit, datetime] = field(default_factory=dict)

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The number of refreshed `buckets`, the number of `units` that still wait, and seconds of waiting.

        `lag_seconds` is the longest wait, `late_seconds` the longest beyond its pause, and `watermark_lag_seconds` says
        of each level how far back the first bucket lies that has ended and is read from raw.
        """
        now, buckets = self.clock(), 0
        due = await dirty_units(connection, until=now)
        self._dirty_since = {unit: self._dirty_since.get(unit, now) for unit in due}
        self._refreshed_at = {
            unit: at for unit, at in self._refreshed_at.items() if now < at + self.pauses[unit.level.step]
        }
        for unit in due:
            if unit not in self._refreshed_at:
                buckets += await refresh_unit(connection, unit, until=now)
                self._refreshed_at[unit] = self.clock()
                del self._dirty_since[unit]
        waits = {unit: self.clock() - since for unit, since in self._dirty_since.items()}
        lates = [wait - self.pauses[unit.level.step] for unit, wait in waits.items()]
        return {
            "buckets": buckets,
            "units": len(waits),
            "lag_seconds": max(waits.values(), default=_NONE).total_seconds(),
            "late_seconds": max(*lates, _NONE, _NONE).total_seconds(),
            "watermark_lag_seconds": await watermark_lags(connection, now),
        }


async def watermark_lags(connection: Connection, now: datetime) -> dict[str, float]:
    """Seconds by the code of each level; 0 where all that has ended is in its rollup."""
    rows = await connection.fetch(_WATERMARKS, now)
    lags = {row["level"]: (now - row["watermark"]).total_seconds() for row in rows}
    return {level.code: lags.get(level.code, 0.0) for level in ROLLUPS}


async def make_partitions(connection: Connection) -> dict[str, Any]:
    """The number that was `made`, and `runway_seconds` to where they end; null where the store makes its own."""
    now = datetime.now(UTC)
    made = await connection.fetchval("SELECT ensure_partitions($1, $2)", now, now + PARTITIONS_AHEAD)
    end = await end_of_partitions(connection) if await has_native_partitions(connection) else None
    return {"made": made, "runway_seconds": None if end is None else (end - now).total_seconds()}


def pauses(settings: Settings) -> dict[timedelta, timedelta]:
    """The pauses of the `Refresher`; quarters of an hour are refreshed as often as hours."""
    hour = timedelta(seconds=settings.refresh_1hour_seconds)
    return {
        Level.MIN1.step: timedelta(seconds=settings.refresh_1min_seconds),
        Level.MIN15.step: hour,
        Level.HOUR.step: hour,
        Level.DAY.step: timedelta(seconds=settings.refresh_1day_seconds),
    }


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str
    every: timedelta
    run: Callable[[Connection], Awaitable[dict[str, Any]]]


def jobs(settings: Settings) -> tuple[Job, ...]:
    """In the order of their first run: partitions are as long as the policies say."""
    between = pauses(settings)
    return (
        Job(name="policies", every=timedelta(minutes=1), run=reconcile_policies(settings)),
        Job(name="partitions", every=timedelta(hours=1), run=make_partitions),
        Job(name="refresh", every=min(MAX_POLL_INTERVAL, *between.values()), run=Refresher(between)),
        Job(name="retention", every=timedelta(minutes=1), run=Retention()),
        Job(name="snapshots", every=timedelta(minutes=1), run=SnapshotWatch()),
    )
