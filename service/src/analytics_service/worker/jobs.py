"""What the worker does, and how often: the table `JOBS`. Each job may be stopped anywhere, and is done again then."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.database.partitions import end_of_partitions, has_native_partitions
from analytics_service.rollups.levels import ROLLUPS, Level
from analytics_service.rollups.refresh import Unit, dirty_units, refresh_unit
from analytics_service.settings import Settings
from analytics_service.worker.policies import keep_policies
from analytics_service.worker.retention import Retention

AHEAD: Final = timedelta(days=7)
"""Partitions are made for so long before they are needed."""
LOOK: Final = timedelta(seconds=2)
"""From one look at the dirty log to the next, at most."""
_WATERMARKS: Final = """
SELECT d.level, min(d.bucket_start) AS watermark FROM rollup_dirty AS d JOIN rollup_level AS l USING (level)
WHERE d.bucket_start + l.step <= $1 GROUP BY d.level
"""
_NONE: Final = timedelta(0)


@dataclass
class Refresher:
    """Makes rollups equal to raw where their buckets have ended; queries read open ones from raw."""

    pauses: Mapping[timedelta, timedelta]
    """By the width of buckets, from one refresh of a unit to its next: late rows come in crowds, and each time all of a
    bucket is read from raw."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _done: dict[Unit, datetime] = field(default_factory=dict)
    _dirty_since: dict[Unit, datetime] = field(default_factory=dict)

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The number of `buckets`, the `units` that still wait, and for how long, in seconds.

        `lag_seconds` is the longest wait, `late_seconds` the longest beyond its pause, and `watermark_lag_seconds` says
        of each level how far back the first bucket lies that has ended and is read from raw.
        """
        now, buckets = self.clock(), 0
        found = await dirty_units(connection, until=now)
        self._dirty_since = {unit: self._dirty_since.get(unit, now) for unit in found}
        self._done = {unit: at for unit, at in self._done.items() if now < at + self.pauses[unit.level.step]}
        for unit in found:
            if unit not in self._done:
                buckets += await refresh_unit(connection, unit, until=now)
                self._done[unit] = self.clock()
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
    made = await connection.fetchval("SELECT ensure_partitions($1, $2)", now, now + AHEAD)
    end = await end_of_partitions(connection) if await has_native_partitions(connection) else None
    return {"made": made, "runway_seconds": None if end is None else (end - now).total_seconds()}


def pauses(settings: Settings) -> dict[timedelta, timedelta]:
    """What `Refresher` takes; quarters of an hour are refreshed as often as hours."""
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
        Job(name="policies", every=timedelta(minutes=1), run=keep_policies(settings)),
        Job(name="partitions", every=timedelta(hours=1), run=make_partitions),
        Job(name="refresh", every=min(LOOK, *between.values()), run=Refresher(between)),
        Job(name="retention", every=timedelta(minutes=1), run=Retention()),
    )
