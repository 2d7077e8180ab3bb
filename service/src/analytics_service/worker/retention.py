"""The worker's job that ends rows by age, as the accepted policies have it: for a bounded time at each turn."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, Final

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.policies.desired import GOVERNED, LEGACY, Policy
from analytics_service.policies.observe import database_time, observe
from analytics_service.policies.plan import cutoff
from analytics_service.reclassify import journal as reclassify
from analytics_service.repricing import journal as repricing
from analytics_service.rollups.retention.horizon import HORIZON
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.rollups import Rollup, retain_rollup
from analytics_service.rollups.retention.scores import retain_scores
from analytics_service.rollups.retention.step import RetentionStep, StepKind

MAX_TURN: Final = timedelta(seconds=20)
"""After which other jobs have their turn, once the step that runs is done."""
MAX_LOCK_WAIT: Final = timedelta(hours=6)
"""For locks of others, as a backup's; after it the job fails."""


@dataclass
class Retention:
    clock: Callable[[], float] = monotonic
    _blocked_since: float | None = field(default=None, init=False)

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The numbers of `dropped_chunks` and `deleted_rows`; `waits_for` names what blocks it, else None."""
        done: Counter[StepKind] = Counter()
        waits_for = None
        try:
            async with aclosing(_steps(connection)) as steps:
                end = self.clock() + MAX_TURN.total_seconds()
                async for step in steps:
                    done[step.kind] += step.rows or 1
                    if self.clock() >= end:
                        break
            self._blocked_since = None
        except asyncpg.LockNotAvailableError as error:
            waits_for = self._blocked(error)
        return {
            "dropped_chunks": done[StepKind.DROPPED],
            "deleted_rows": done[StepKind.DELETED],
            "waits_for": waits_for,
        }

    def _blocked(self, error: asyncpg.LockNotAvailableError) -> str:
        """Lets a long reader, as a backup is, finish; raises the error once it has blocked us for MAX_LOCK_WAIT."""
        now = self.clock()
        self._blocked_since = now if self._blocked_since is None else self._blocked_since
        if now - self._blocked_since > MAX_LOCK_WAIT.total_seconds():
            raise error
        return "a lock that others hold"


async def _steps(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    """The steps of all retentions, the finest level first; a policy that was never accepted ends nothing."""
    accepted, now = (await observe(connection)).accepted, await database_time(connection)
    for policy, rollups in GOVERNED.items():
        retention = accepted.get(policy)
        until = None if retention is None or retention.value is None else cutoff(retention.value, now)
        if policy is Policy.RAW:
            async for step in retain_raw(connection, until):
                yield step
            for journal in (repricing, reclassify):
                async for rows in journal.retain_journal(connection):
                    yield RetentionStep(kind=StepKind.DELETED, target=journal.JOURNAL, rows=rows)
            async for step in retain_scores(connection):
                yield step
            until = await connection.fetchval(HORIZON)  # parts are of use as long as their rows may change
        both: tuple[Rollup, ...] = (*rollups, *LEGACY.get(policy, ()))
        for rollup in both:
            async for step in retain_rollup(connection, rollup, until):
                yield step
