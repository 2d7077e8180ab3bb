"""The whole service as one block: database, Redis, both listeners; and how it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from analytics_service.app import application, services
from analytics_service.database.pool import Database
from analytics_service.endpoints import ENDPOINTS
from analytics_service.errors import DatabaseUnavailable
from analytics_service.http.endpoint import Endpoint
from analytics_service.http.exposition import metrics_application
from analytics_service.http.lifecycle import Lifecycle
from analytics_service.server import Site, drain, listening
from analytics_service.settings import Settings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Running:
    port: int
    metrics_port: int
    connections: Callable[[], int]
    """Open ones to the API."""
    lifecycle: Lifecycle
    database: Database

    async def ready(self, *, seconds: float = 30) -> None:
        """Returns once queries can be answered; ServiceError with the reason when that takes too long."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.database.state.ready:
            if asyncio.get_running_loop().time() > deadline:
                raise DatabaseUnavailable(self.database.state.problem or "the database is not ready")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(settings: Settings, endpoints: Sequence[Endpoint[Any]] = ENDPOINTS) -> AsyncIterator[Running]:
    """Listens while the block runs. The database may come later: until then /health/ready says why it waits."""
    lifecycle = Lifecycle()
    async with AsyncExitStack() as stack:
        database = Database()
        wired = services(settings, database)
        if wired.redis is not None:
            stack.push_async_callback(wired.redis.close)
        stack.push_async_callback(database.close)
        stack.push_async_callback(wired.stale.close)
        await database.connect(settings)
        wired.metrics.watch_connections(database.connections)
        app = application(settings, wired, lifecycle, endpoints)
        api = Site(application=app, host=settings.app_host, port=settings.api_port, setting="API_PORT")
        exposed = Site(
            application=metrics_application(wired.metrics.registry),
            host=settings.app_host,
            port=settings.api_metrics_port,
            setting="API_METRICS_PORT",
        )
        ours, theirs = await stack.enter_async_context(listening(api, exposed))
        yield Running(
            port=ours.port,
            metrics_port=theirs.port,
            connections=ours.connections,
            lifecycle=lifecycle,
            database=database,
        )


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT, and then until the requests under way are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as service:
        _log.info("listening", host=settings.app_host, port=service.port, metrics_port=service.metrics_port)
        await stop.wait()
        await drain(service.lifecycle, service.connections)
    _log.info("stopped")
