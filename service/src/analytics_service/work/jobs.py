"""What the worker does, and how often: the table `JOBS`. Each job may be stopped anywhere, and is done again then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.database.levels import Level
from analytics_service.database.refresh import Unit, refresh_unit, units

AHEAD: Final = timedelta(days=7)
"""Partitions are made for so long before they are needed."""
PAUSES: Final = {
    Level.MIN1: timedelta(seconds=2),
    Level.MIN15: timedelta(seconds=15),
    Level.HOUR: timedelta(seconds=30),
    Level.DAY: timedelta(minutes=5),
}
"""From one refresh of a unit to its next: late rows come in crowds, and each time all of a bucket is read from raw."""
_RUNWAY: Final = "SELECT max(upper_bound) FROM traces_partitions"
_HAS_PARTITIONS: Final = "SELECT to_regclass('public.traces_partitions') IS NOT NULL"


@dataclass
class Refresher:
    """Makes rollups equal to raw where their buckets have ended; queries read open ones from raw."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _done: dict[Unit, datetime] = field(default_factory=dict)
    _dirty_since: dict[Unit, datetime] = field(default_factory=dict)

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The number of `buckets`, the `units` that still wait, and the longest wait in seconds as `lag_seconds`."""
        now, buckets = self.clock(), 0
        found = await units(connection, until=now)
        self._dirty_since = {unit: self._dirty_since.get(unit, now) for unit in found}
        self._done = {unit: at for unit, at in self._done.items() if now < at + PAUSES[unit.level]}
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


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str
    every: timedelta
    run: Callable[[Connection], Awaitable[dict[str, Any]]]


def jobs() -> tuple[Job, ...]:
    return (
        Job(name="partitions", every=timedelta(hours=1), run=make_partitions),
        Job(name="refresh", every=timedelta(seconds=2), run=Refresher()),
    )
