"""The service as one async context: database, Redis, both listeners; and its shutdown."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

import structlog

from analytics_service.contract.endpoint import Endpoint, Receive
from analytics_service.database.pool import Database
from analytics_service.database.replica import READONLY_URL, Reader, Replica
from analytics_service.endpoints import ENDPOINTS, INGEST_ENDPOINTS
from analytics_service.errors import DatabaseUnavailable, UsageError
from analytics_service.http.connections import ConnectionHandler
from analytics_service.http.replay.handler import ReplayHandler
from analytics_service.http.replay.store import ReplayStore
from analytics_service.http.services import Services
from analytics_service.receiver.receiver import Receiver
from analytics_service.server import counters
from analytics_service.server.api_keys import verifying
from analytics_service.server.app import application, services
from analytics_service.server.lifecycle import Lifecycle
from analytics_service.server.listen import Site, drain, listening
from analytics_service.settings import Settings, Switch
from analytics_service.telemetry.metrics import Metrics, metrics_application

_SAMPLE_SECONDS: Final = 0.5

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


class Only(StrEnum):
    """What a process serves."""

    ALL = "all"
    API = "api"
    """Answers to questions."""
    INGEST = "ingest"
    """Rows that clients send."""

    def endpoints(self, settings: Settings) -> tuple[Endpoint[Any], ...]:
        """UsageError where nothing would be served."""
        answers = ENDPOINTS if self is not Only.INGEST else ()
        receives = INGEST_ENDPOINTS if self is not Only.API and settings.ingest_enabled is Switch.ON else ()
        if not answers and not receives:
            raise UsageError("INGEST_ENABLED: is off, and with --only ingest nothing would be served")
        return (*answers, *receives)


@asynccontextmanager
async def running(settings: Settings, endpoints: Sequence[Endpoint[Any]] | None = None) -> AsyncIterator[Running]:
    """Listens while the block runs. The database may come later: until then /health/ready says why it waits."""
    lifecycle = Lifecycle()
    endpoints = Only.ALL.endpoints(settings) if endpoints is None else endpoints
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        database = Database(waited=metrics.waits.observe)
        replica = _replica(settings, database)
        receiver = None
        if any(isinstance(each, Receive) for each in endpoints):
            settings = _with_shares(settings)
            receiver = Receiver(settings, committed=metrics.observe_group)
        stack.push_async_callback(database.close)
        reader = Reader(primary=database, replica=replica, count=metrics.count_read)
        api_keys = await stack.enter_async_context(verifying(database))
        wired = services(settings, reader, metrics, api_keys=api_keys, receiver=receiver)
        counters.initialize(wired, endpoints)
        if wired.redis is not None:
            stack.push_async_callback(wired.redis.close)
        stack.push_async_callback(wired.stale.close)
        if receiver is not None:
            receiver.start()
            stack.push_async_callback(receiver.close)
        await database.connect(settings)
        if replica is not None:
            stack.push_async_callback(replica.close)
            await replica.connect(settings.model_copy(update={"database_url": settings.database_readonly_url}))
        api = _api(settings, wired, lifecycle, endpoints)
        exposed = Site(
            application=metrics_application(wired.metrics.registry),
            host=settings.app_host,
            port=settings.api_metrics_port,
            setting="API_METRICS_PORT",
        )
        ours, theirs = await stack.enter_async_context(listening(api, exposed))
        _register_gauges(wired, lifecycle, settings, ours.connections)
        late = asyncio.create_task(_measure_loop_delay(metrics.delay.observe))
        stack.callback(late.cancel)
        yield Running(
            port=ours.port,
            metrics_port=theirs.port,
            connections=ours.connections,
            lifecycle=lifecycle,
            database=database,
        )


def _with_shares(settings: Settings) -> Settings:
    """The connections of DATABASE_POOL_SIZE, shared among reads and writes."""
    size = settings.database_pool_size
    writes = min(settings.ingest_connections, max(size // 2, 1))
    return settings.model_copy(update={"ingest_connections": writes, "database_pool_size": max(size - writes, 1)})


def _api(settings: Settings, wired: Services, lifecycle: Lifecycle, endpoints: Sequence[Endpoint[Any]]) -> Site:
    """The API; without ANSWER_REPLAY nothing of http/replay/ sees a request."""
    replays = None
    if settings.answer_replay is Switch.ON:
        replays = ReplayStore(metrics=wired.metrics, draining=lambda: lifecycle.draining)
    return Site(
        application=application(settings, wired, lifecycle, endpoints, replays=replays),
        host=settings.app_host,
        port=settings.api_port,
        setting="API_PORT",
        connection=ConnectionHandler if replays is None else partial(ReplayHandler, store=replays),
    )


def _replica(settings: Settings, database: Database) -> Replica | None:
    if settings.database_readonly_url is None:
        return None
    return Replica(
        primary=database, database=Database(setting=READONLY_URL), max_lag=settings.database_readonly_max_lag_seconds
    )


def _register_gauges(wired: Services, lifecycle: Lifecycle, settings: Settings, connections: Callable[[], int]) -> None:
    """Registers the gauges whose values are read at each scrape."""
    gauge, database, redis = wired.metrics.gauge, wired.database, wired.redis
    gauge("analytics_http_requests_in_flight", "Requests in flight", lambda: lifecycle.in_flight)
    gauge("analytics_http_connections", "Open connections of clients", connections)
    pool = ("db_pool_connections", "Database connections by state (active, idle)")
    gauge(*pool, lambda: database.connections()[0], state="active")
    gauge(*pool, lambda: database.connections()[1], state="idle")
    gauge("analytics_db_pool_connections_max", "DATABASE_POOL_SIZE", lambda: settings.database_pool_size)
    gauge("analytics_db_pool_waiting", "Queries that wait for a connection", lambda: database.waiting)
    gauge("analytics_db_up", "1 while the database answers", lambda: database.state.reachable)
    if wired.receiver is not None:
        budget = wired.receiver.budget
        gauge("analytics_ingest_queue_rows", "Rows that are not committed yet", lambda: budget.rows.used)
        name, text = "analytics_ingest_queue_bytes", "Bytes of bodies whose rows are not committed yet"
        gauge(name, text, lambda: budget.bytes.used)
    if (replica := wired.reader.replica) is not None:
        gauge("analytics_db_replica_up", "1 while the replica answers", lambda: replica.problem is None)
        gauge("analytics_db_replica_lag_seconds", "Replication lag behind the primary", lambda: replica.lag)
    if redis is not None:
        gauge("analytics_redis_up", "1 while Redis answers", lambda: redis.failure is None)
    gauge("analytics_cache_memory_bytes", "Approximate size of the answers in memory", lambda: wired.answers.size)


async def _measure_loop_delay(observe: Callable[[float], None]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _SAMPLE_SECONDS
        await asyncio.sleep(_SAMPLE_SECONDS)
        observe(max(loop.time() - due, 0))


async def run(settings: Settings, *, only: Only = Only.ALL) -> None:
    """Until SIGTERM or SIGINT, and then until the requests under way are answered."""
    endpoints = only.endpoints(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, endpoints) as service:
        gc.freeze()  # modules live as long as the process: to look through them again takes 25 ms each time
        gc.set_threshold(10_000)
        _log.info("listening", host=settings.app_host, port=service.port, metrics_port=service.metrics_port)
        await stop.wait()
        await drain(service.lifecycle, service.connections)
    _log.info("stopped")
