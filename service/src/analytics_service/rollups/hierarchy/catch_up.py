"""Refreshes at once what there is, and ends: writers who go on are left to the next refresh."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.rollups.hierarchy.refresh import UNBOUNDED, Refreshed, Refresher, Schedule
from analytics_service.rollups.hierarchy.tables import Stage

_WAITING: Final = """
SELECT org_id, sum(entries)::bigint AS entries FROM (
  SELECT org_id, count(*) AS entries FROM rollup_log WHERE minute < $1 GROUP BY 1
  UNION ALL SELECT DISTINCT org_id, 0 FROM rollup_stale WHERE bucket < $2
) AS waiting
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    organisation: str
    entries: int
    """Of the log."""


async def waiting(connection: Connection, *, minutes: datetime = UNBOUNDED, buckets: datetime) -> list[Waiting]:
    """The organisations with entries of minutes before the one moment, or stale buckets before the other."""
    rows = await connection.fetch(_WAITING, minutes, buckets)
    return [Waiting(organisation=row["org_id"], entries=row["entries"]) for row in rows]


async def catch_up(
    connection: Connection, of: Waiting, *, until: datetime = UNBOUNDED
) -> AsyncGenerator[tuple[Stage | None, Refreshed], None]:
    """Refreshes what ends by `until`, a transaction at each step; the stage is None for minutes."""
    refresher, entries = Refresher(connection, of.organisation, Schedule(until=until)), of.entries
    while entries > 0 and (done := await refresher.step(None)).entries:
        entries -= done.entries
        yield None, done
    for stage in Stage:
        while (done := await refresher.step(stage)).buckets:
            yield stage, done
