"""The connections that write what clients send: a pool of their own, so that reads and writes do not starve each other.

It connects when it is first needed, and keeps no connection that is idle for minutes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import structlog

from analytics_service.database.connect import CONNECT_SECONDS, SETTINGS, Connection, Pool, application_name
from analytics_service.database.connect import database_url as url_of
from analytics_service.database.failures import FAILURES, FailureReason, classify
from analytics_service.database.sessions import is_pooler, no_reset
from analytics_service.database.writers import writing_blocker
from analytics_service.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from analytics_service.settings import Settings

_ACQUIRE_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 300.0
_CLOSE_SECONDS: Final = 5.0
_STATEMENT_CACHE_SIZE: Final = 32
_PLANS: Final = {"plan_cache_mode": "force_custom_plan", "enable_seqscan": "off", "enable_bitmapscan": "off"}
"""A day's partition begins empty: a plan that reads all of it would be used while it grows to millions of rows."""
_LOST: Final = frozenset({FailureReason.UNREACHABLE, FailureReason.AUTHENTICATION})

_log = structlog.get_logger(__name__)


class WriteSessions:
    """Every failure is a DatabaseError, but for what a statement's rows cause: REFUSALS."""

    REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

    def __init__(self, settings: Settings, *, size: int) -> None:
        self._settings = settings
        self.size = size
        self._url = ""
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()
        self.is_shared = False
        """A pooler stands between us and the server: nothing of a session stays from one transaction to the next."""
        self._first = ""
        """The settings of a transaction in a session that is shared."""

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection for the block; it ends with the block where that fails."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                try:
                    pool = await self._open()
                    connection = await pool.acquire(timeout=_ACQUIRE_SECONDS)
                except TimeoutError as error:
                    raise DatabaseBusy("no connection became free in time") from error
                stack.push_async_callback(self._release, pool, connection)
                yield connection
        except self.REFUSALS:
            raise
        except FAILURES as error:
            failure = classify(error, self._url)
            _log.warning("INGEST_DATABASE_FAILED", reason=failure.reason.value, cause=failure.message)
            raise (DatabaseUnavailable if failure.reason in _LOST else DatabaseError)(failure.message) from error

    async def begin(self, connection: Connection) -> None:
        """At the beginning of every transaction: each statement needs one, where sessions are shared."""
        if self.is_shared:
            await connection.execute(self._first)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection, in a transaction of the block."""
        async with self.session() as connection, self.transaction_on(connection):
            yield connection

    @contextlib.asynccontextmanager
    async def transaction_on(self, connection: Connection) -> AsyncIterator[None]:
        """A transaction of the block."""
        async with connection.transaction():
            await self.begin(connection)
            yield

    async def close(self) -> None:
        """Ends the connections."""
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), timeout=_CLOSE_SECONDS)
            except TimeoutError:
                self._pool.terminate()

    async def _open(self) -> Pool:
        """The pool; DatabaseError where this release, or this user, cannot write to the database."""
        async with self._opening:
            if self._pool is None:
                self._pool = await self._connect()
            return self._pool

    async def _connect(self) -> Pool:
        timeout = {"statement_timeout": str(self._settings.database_statement_timeout_seconds * 1000)}
        settings = SETTINGS | _PLANS | timeout
        self._url = url_of(self._settings)
        self.is_shared = await is_pooler(self._url, settings)
        self._first = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())
        pool: Pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self.size,
            timeout=CONNECT_SECONDS,
            max_inactive_connection_lifetime=_IDLE_SECONDS,
            server_settings={
                "application_name": application_name("ingest"),
                **({} if self.is_shared else settings),
            },
            reset=no_reset,
            statement_cache_size=0 if self.is_shared else _STATEMENT_CACHE_SIZE,
        )
        async with pool.acquire() as connection, self.transaction_on(connection):
            blocker = await writing_blocker(connection, rows_only=True, requests=True)
        if blocker is not None:
            pool.terminate()
            _log.error("INGEST_NOT_POSSIBLE", cause=str(blocker))
            raise blocker
        return pool

    @staticmethod
    async def _release(pool: Pool, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        with contextlib.suppress(*FAILURES):  # a lost connection cannot be given back in order: the pool drops it
            await pool.release(connection, timeout=_CLOSE_SECONDS)
