"""The worker's job that looks after the rollups of the release before; see rollups/legacy/."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.policies.observe import database_time
from analytics_service.policies.plan import cutoff
from analytics_service.rollups.legacy.refresh import Unit, crowded_units, deduplicate, refresh_unit, units_before

MAX_TURN: Final = timedelta(seconds=0.5)
"""Of each of the two tasks: low beside what readers and the rollups of this release need."""
EVERY: Final = timedelta(days=1)
"""A day whose rows come late for ever is refreshed as often as this: each time all of its rows are read."""
_TIMEOUT: Final = timedelta(seconds=30)
"""Of a statement: what takes longer is left to readers, and to the retention of raw."""


@dataclass
class Legacy:
    """Deduplicates the log at each turn, and refreshes days that have ended for a day."""

    clock: Callable[[], float] = monotonic
    _refreshed_at: dict[Unit, datetime] = field(default_factory=dict, init=False)

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The numbers of `removed` entries, of refreshed `legacy_buckets` and of `units` that wait."""
        now, removed, buckets = await database_time(connection), 0, 0
        end = self.clock() + MAX_TURN.total_seconds()
        for unit in await crowded_units(connection):
            removed += await deduplicate(connection, unit)
            if self.clock() >= end:
                break
        self._refreshed_at = {unit: at for unit, at in self._refreshed_at.items() if now - at < EVERY}
        units = [unit for unit in await units_before(connection, cutoff(1, now)) if unit not in self._refreshed_at]
        end, waiting = self.clock() + MAX_TURN.total_seconds(), len(units)
        for unit in units:
            self._refreshed_at[unit] = now
            waiting -= 1
            try:
                buckets += await refresh_unit(connection, unit, limit=_TIMEOUT)
            except asyncpg.QueryCanceledError:
                continue
            if self.clock() >= end:
                break
        return {"removed": removed, "legacy_buckets": buckets, "units": waiting}
