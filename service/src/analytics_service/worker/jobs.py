"""The worker's jobs and their intervals: the table that `jobs` returns. Each may be stopped anywhere and run again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from analytics_service.database.connect import Session
from analytics_service.database.partitions import end_of_partitions, has_native_partitions
from analytics_service.policies.observe import database_time
from analytics_service.settings import Settings
from analytics_service.storage.storage import open_storage
from analytics_service.worker.exports.upkeep import ExportUpkeep
from analytics_service.worker.legacy import Legacy
from analytics_service.worker.policies import reconcile_policies
from analytics_service.worker.prices import ReadBooks
from analytics_service.worker.refresh import Refresh
from analytics_service.worker.retention import Retention
from analytics_service.worker.sessions import Sessions
from analytics_service.worker.snapshots import SnapshotWatch

PARTITIONS_AHEAD: Final = timedelta(days=7)
"""Partitions are made for so long before they are needed."""


async def make_partitions(connection: Session) -> dict[str, Any]:
    """The number that was `made`, and `runway_seconds` to where they end; null where the store makes its own."""
    now = await database_time(connection)
    made = await connection.fetchval("SELECT ensure_partitions($1, $2)", now, now + PARTITIONS_AHEAD)
    end = await end_of_partitions(connection) if await has_native_partitions(connection) else None
    return {"made": made, "runway_seconds": None if end is None else (end - now).total_seconds()}


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str
    every: timedelta
    run: Callable[[Session], Awaitable[dict[str, Any]]]


def jobs(settings: Settings, url: str) -> tuple[Job, ...]:
    """In the order of their first run: partitions are as long as the policies say. `url` is where refreshes work."""
    sessions = Sessions(url, settings.worker_refresh_connections)
    return (
        Job(name="policies", every=timedelta(minutes=1), run=reconcile_policies(settings)),
        Job(name="partitions", every=timedelta(hours=1), run=make_partitions),
        *_prices(settings),
        Job(name="refresh", every=timedelta(seconds=2), run=Refresh(sessions)),
        Job(name="legacy", every=timedelta(minutes=1), run=Legacy()),
        Job(name="retention", every=timedelta(minutes=1), run=Retention()),
        Job(name="snapshots", every=timedelta(minutes=1), run=SnapshotWatch()),
        *_exports(settings),
    )


def _prices(settings: Settings) -> tuple[Job, ...]:
    """None where PRICE_BOOKS is not set."""
    every = timedelta(seconds=15)  # as often as the operator asks
    return (Job(name="prices", every=every, run=ReadBooks(settings.price_books)),) if settings.price_books else ()


def _exports(settings: Settings) -> tuple[Job, ...]:
    """None where there is no storage for files."""
    storage = open_storage(settings)
    return () if storage is None else (Job(name="exports", every=timedelta(minutes=1), run=ExportUpkeep(storage)),)
