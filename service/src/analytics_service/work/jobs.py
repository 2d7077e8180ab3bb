"""What the worker does, and how often: the table `JOBS`. Each job may be stopped anywhere, and is done again then."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.database.levels import Level
from analytics_service.database.refresh import Unit, refresh_unit, units
from analytics_service.settings import Settings

AHEAD: Final = timedelta(days=7)
"""Partitions are made for so long before they are needed."""
_RUNWAY: Final = "SELECT max(upper_bound) FROM traces_partitions"
_HAS_PARTITIONS: Final = "SELECT to_regclass('public.traces_partitions') IS NOT NULL"


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
        """The number of `buckets`, the `units` that still wait, and the longest wait in seconds as `lag_seconds`."""
        now, buckets = self.clock(), 0
        found = await units(connection, until=now)
        self._dirty_since = {unit: self._dirty_since.get(unit, now) for unit in found}
        self._done = {unit: at for unit, at in self._done.items() if now < at + self.pauses[unit.level.step]}
        for unit in found:
            if unit not in self._done:
                buckets += await refresh_unit(connection, unit, until=now)
                self._done[unit] = self.clock()
                del self._dirty_since[unit]
        waits = [(self.clock() - since).total_seconds() for since in self._dirty_since.values()]
        return {"buckets": buckets, "units": len(waits), "lag_seconds": max(waits, default=0.0)}


async def make_partitions(connection: Connection) -> dict[str, Any]:
    """The number that was `made`, and `runway_seconds` to where they end; null where the store makes its own."""
    now = datetime.now(UTC)
    made = await connection.fetchval("SELECT ensure_partitions($1, $2)", now, now + AHEAD)
    if not await connection.fetchval(_HAS_PARTITIONS):
        return {"made": made, "runway_seconds": None}
    end = await connection.fetchval(_RUNWAY)
    return {"made": made, "runway_seconds": (end - now).total_seconds()}


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
    return (
        Job(name="partitions", every=timedelta(hours=1), run=make_partitions),
        Job(name="refresh", every=timedelta(seconds=2), run=Refresher(pauses(settings))),
    )
