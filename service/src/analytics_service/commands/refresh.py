"""Refreshes the rollups after rows have changed, and reports how far it is."""

from datetime import timedelta
from typing import Final, Protocol

from analytics_service.database.connect import Connection
from analytics_service.rollups.hierarchy.catch_up import catch_up, waiting
from analytics_service.rollups.hierarchy.steps import Step

_NOW: Final = "SELECT clock_timestamp()"
_ENDED: Final = timedelta(days=1)
"""After which the longest bucket has ended: what is stale since then was left by one that was stopped."""


class Progress(Protocol):
    def __call__(self, level: str, done: int, total: int | None) -> None:
        """The number of entries, of those that the log had; of the other levels that of buckets, whose end is open."""


async def refresh(connection: Connection, progress: Progress) -> int:
    """Refreshes what the log had when it began; returns the number of buckets."""
    todo = await waiting(connection, buckets=await connection.fetchval(_NOW) - _ENDED)
    total, entries, buckets = sum(each.entries for each in todo), 0, 0
    for each in todo:
        async for stage, done in catch_up(connection, each):
            entries += done.entries
            buckets += done.buckets
            if stage is None:
                progress(Step.MINUTE, min(entries, total), total)
            else:
                progress(stage.value, buckets, None)
    return buckets
