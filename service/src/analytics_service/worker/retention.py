"""The worker's job that ends rows by age, as the accepted policies say: a little at each turn."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.policies.desired import GOVERNED
from analytics_service.policies.observe import database_time, observe
from analytics_service.policies.plan import cutoff
from analytics_service.rollups.levels import Level
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.rollups import retain_rollup
from analytics_service.rollups.retention.step import RetentionStep, StepKind

TURN: Final = timedelta(seconds=20)
"""How long other jobs wait, at most and beside one step."""
LONGEST_WAIT: Final = timedelta(hours=6)
"""For locks of others, as a backup's; beyond it the job fails."""


@dataclass
class Retention:
    clock: Callable[[], float] = monotonic
    _held_up_since: float | None = field(default=None, init=False)

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The numbers of `dropped_chunks` and `deleted_rows`, and `waits_for` what holds it up, if something does."""
        done: Counter[StepKind] = Counter()
        waits_for = None
        try:
            async with aclosing(_steps(connection)) as steps:
                end = self.clock() + TURN.total_seconds()
                async for step in steps:
                    done[step.kind] += step.rows or 1
                    if self.clock() >= end:
                        break
            self._held_up_since = None
        except asyncpg.LockNotAvailableError as error:
            waits_for = self._held_up(error)
        return {
            "dropped_chunks": done[StepKind.DROPPED],
            "deleted_rows": done[StepKind.DELETED],
            "waits_for": waits_for,
        }

    def _held_up(self, error: asyncpg.LockNotAvailableError) -> str:
        """Whoever reads for long, as a backup does, is let finish."""
        now = self.clock()
        self._held_up_since = now if self._held_up_since is None else self._held_up_since
        if now - self._held_up_since > LONGEST_WAIT.total_seconds():
            raise error
        return "a lock that others hold"


async def _steps(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    """Of all retentions, the finest first; those that were never accepted end nothing."""
    accepted, now = (await observe(connection)).accepted, await database_time(connection)
    for policy, levels in GOVERNED.items():
        kept = accepted.get(policy)
        until = None if kept is None or kept.value is None else cutoff(kept.value, now)
        for level in levels:
            ends = retain_raw(connection, until) if level is Level.RAW else retain_rollup(connection, level, until)
            async for step in ends:
                yield step
