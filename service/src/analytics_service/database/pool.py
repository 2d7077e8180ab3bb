"""The service's access to the database: admission to a pool, deadlines, and a DatabaseError for every failure.

A query waits for a connection at most as long as its own deadline, and is refused at once where so many wait already
that it would be in vain. Its deadline holds on the server too: asyncpg cancels the statement when the time is over or
the caller is gone. Beside the queries one task connects, and then checks again and again whether the schema is one that
this release can serve from; `state` holds what it saw last, and any query that loses the server writes it as well.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import asyncpg
import structlog

from analytics_service.database.connect import Pool, database_url
from analytics_service.database.failures import FAILURES, Failure, FailureReason, classify
from analytics_service.database.migrate.migration import schema_version
from analytics_service.database.query import Query
from analytics_service.database.schema import problem, schema_of
from analytics_service.database.sessions import (
    Borrowed,
    Sessions,
    Statements,
    becomes_true,
    open_sessions,
    response_timeout,
)
from analytics_service.database.state import DatabaseState
from analytics_service.database.statements import PreparedStatements
from analytics_service.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    InvalidPattern,
    QueryTimeout,
    SchemaIncompatible,
)
from analytics_service.settings import Settings

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_CHECK_INTERVAL_SECONDS = 15.0
_CHECK_TIMEOUT_SECONDS = 10.0
"""A server that has gone without a word is not waited for."""
_MIN_PAUSE_SECONDS = 0.25
_MAX_PAUSE_SECONDS = 10.0
_CONDITION_TIMEOUT_SECONDS = 1.0
"""To get a connection and to ask for the condition: another server can answer instead."""
_MAX_WAITING_PER_CONNECTION = 20
"""A query behind more than these is refused at once: its deadline would pass while it waits."""


class _EndedWhileIdle(DatabaseUnavailable):
    """The server has ended the connection, which its own word for it makes unusable before the end is seen."""


class Database:
    """Connects in the background and stays connected; every failure is one of errors.DatabaseError."""

    def __init__(
        self,
        *,
        acquire_seconds: float = 5.0,
        waited: Callable[[float], None] = lambda _seconds: None,
        setting: str = "DATABASE_URL",
    ) -> None:
        """`setting` is the one that messages name; `waited` gets the seconds of each wait for a connection."""
        self.state = DatabaseState()
        self._setting = setting
        self._acquire_seconds = acquire_seconds
        self._sessions: Sessions | None = None
        self._statements = PreparedStatements()
        self._maintenance: asyncio.Task[None] | None = None
        self._url = ""
        self._waited = waited
        self.waiting = 0
        """Queries that have no connection yet."""
        self._max_waiting = 0

    async def connect(self, settings: Settings) -> None:
        """Starts to connect and returns at once: `state` says when the database is there."""
        self._url = database_url(settings, setting=self._setting)
        self._max_waiting = settings.database_pool_size * _MAX_WAITING_PER_CONNECTION
        self._maintenance = asyncio.create_task(self._maintain(settings))

    async def close(self) -> None:
        """Ends the background work and the connections; queries that still run are cancelled."""
        if self._maintenance is not None:
            self._maintenance.cancel()
            await asyncio.wait({self._maintenance})
        if self._sessions is not None:
            try:
                await asyncio.wait_for(self._sessions.pool.close(), timeout=5)
            except TimeoutError:
                self._sessions.pool.terminate()

    async def fetch(self, query: Query, *, timeout: float | None = None) -> list[asyncpg.Record]:  # noqa: ASYNC109 - ends the statement on the server too
        """The rows. `timeout` is for all of it, in seconds: to wait for a connection and to run.

        Ends the statement on the server when the time is over or the caller is cancelled.
        """
        return await self._ask(lambda on, left: self._statements.fetch(on, query, left), timeout, query)

    async def fetch_when(
        self,
        condition: Query,
        query: Query,
        *,
        timeout: float,  # noqa: ASYNC109 - as above
    ) -> list[asyncpg.Record] | None:
        """The rows of `query`, read once `condition` is true in the same session; None where it is not soon."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        is_met = False
        try:
            async with self._connection(min(timeout, _CONDITION_TIMEOUT_SECONDS), query) as (connection, left):
                async with response_timeout(connection, left):
                    is_met = await becomes_true(connection, condition)
                if not is_met:
                    return None
                return await self._statements.fetch(connection, query, max(until - loop.time(), 0))
        except QueryTimeout as error:
            if is_met:
                raise
            raise DatabaseUnavailable(f"no answer within {_CONDITION_TIMEOUT_SECONDS:g} s") from error

    async def fetch_value(self, query: Query, *, timeout: float | None = None) -> object:  # noqa: ASYNC109 - as above
        """The first column of the first row, or None."""
        return await self._ask(lambda on, left: on.fetchval(query.sql, *query.args, timeout=left), timeout)

    async def _ask(
        self, ask: Callable[[Borrowed, float | None], Awaitable[T]], seconds: float | None, query: Query | None = None
    ) -> T:
        """Asks again, on another connection, where the server had ended the first one while nobody used it."""
        loop = asyncio.get_running_loop()
        until = None if seconds is None else loop.time() + seconds
        with contextlib.suppress(_EndedWhileIdle):
            async with self._connection(seconds, query) as (connection, left):
                return await ask(connection, left)
        async with self._connection(None if until is None else max(until - loop.time(), 0), query) as (
            connection,
            left,
        ):
            return await ask(connection, left)

    def connections(self) -> tuple[int, int]:
        """The numbers of connections in use, and of idle ones."""
        if self._sessions is None:
            return 0, 0
        idle = self._sessions.pool.get_idle_size()
        return self._sessions.pool.get_size() - idle, idle

    @contextlib.asynccontextmanager
    async def transaction(self, *, readonly: bool, timeout: float) -> AsyncIterator[Statements]:  # noqa: ASYNC109 - as above
        """Statements of one transaction: committed when the block ends, undone where it raises or takes too long."""
        until = asyncio.get_running_loop().time() + timeout
        stack = contextlib.AsyncExitStack()
        try:
            statements = await self._begin(stack, readonly=readonly, until=until)
        except _EndedWhileIdle:  # as in `_ask`
            statements = await self._begin(stack, readonly=readonly, until=until)
        async with stack:
            yield statements

    async def _begin(self, stack: contextlib.AsyncExitStack, *, readonly: bool, until: float) -> Statements:
        """A transaction that ends with the stack, which stays empty where none could begin."""
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as begun:
            borrowed = self._borrowed(max(until - loop.time(), 0))
            sessions, connection = await begun.enter_async_context(borrowed)
            left = max(until - loop.time(), 0)
            await begun.enter_async_context(sessions.transaction(connection, readonly=readonly, seconds=left))
            stack.push_async_exit(begun.pop_all())
            return Statements(connection)

    @contextlib.asynccontextmanager
    async def _connection(
        self, seconds: float | None, query: Query | None = None
    ) -> AsyncIterator[tuple[Borrowed, float | None]]:
        """A connection, and the seconds that are left. asyncpg itself repeats a statement whose plan went stale."""
        loop = asyncio.get_running_loop()
        until = None if seconds is None else loop.time() + seconds
        async with self._borrowed(seconds) as (sessions, connection):
            first = sessions.settings_for(query)
            if first is None:
                yield connection, None if until is None else max(until - loop.time(), 0)
                return
            async with contextlib.AsyncExitStack() as stack:
                async with response_timeout(connection, None if until is None else max(until - loop.time(), 0)):
                    await stack.enter_async_context(sessions.read_session(connection, first))
                yield connection, None if until is None else max(until - loop.time(), 0)

    @contextlib.asynccontextmanager
    async def _borrowed(self, seconds: float | None) -> AsyncIterator[tuple[Sessions, Borrowed]]:
        """A connection of the pool; whatever fails on it is a DatabaseError."""
        sessions, connection = await self._acquire(seconds)
        try:
            yield sessions, connection
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            raise QueryTimeout("the query took longer than it may: ask for a shorter range") from error
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError) as error:
            raise SchemaIncompatible("the schema of the database is not the one of this release") from error
        except asyncpg.InvalidRegularExpressionError as error:
            raise InvalidPattern("a regular expression is not valid") from error
        except asyncpg.InternalClientError as error:
            connection.terminate()  # the pool would give it to the next query as well
            raise _EndedWhileIdle(self._classified(error).message) from error
        except FAILURES as error:
            raise self._failed(error) from error
        finally:
            with contextlib.suppress(*FAILURES):  # a lost connection cannot be given back in order: the pool drops it
                await sessions.pool.release(connection, timeout=5)

    async def _acquire(self, seconds: float | None) -> tuple[Sessions, Borrowed]:
        if self._sessions is None:
            raise DatabaseUnavailable(self.state.problem or "not connected")
        if self.waiting >= self._max_waiting:
            raise DatabaseBusy(f"{self.waiting} queries wait for a connection already")
        self.waiting += 1
        started = time.perf_counter()
        longest = self._acquire_seconds if seconds is None else min(seconds, self._acquire_seconds)
        try:
            return self._sessions, await self._sessions.pool.acquire(timeout=longest)
        except TimeoutError as error:
            raise DatabaseBusy(f"no connection became free within {longest:g} s") from error
        except FAILURES as error:  # whatever the reason: there is no connection
            raise self._disconnected(self._classified(error)) from error
        finally:
            self.waiting -= 1
            self._waited(time.perf_counter() - started)

    def _classified(self, error: BaseException) -> Failure:
        return classify(error, self._url, setting=self._setting)

    def _failed(self, error: BaseException) -> DatabaseError:
        """A lost database is a state; a statement that it refused says nothing of the next one."""
        failure = self._classified(error)
        if isinstance(error, asyncpg.SerializationError):  # of statements that only read: a replica's replay needs it
            return DatabaseBusy(failure.message)
        if failure.reason in {FailureReason.UNREACHABLE, FailureReason.AUTHENTICATION}:
            return self._disconnected(failure)
        _log.error("DATABASE_QUERY_FAILED", reason=failure.reason.value, cause=failure.message)
        return DatabaseError(failure.message)

    def _disconnected(self, failure: Failure) -> DatabaseUnavailable:
        self._note(failure)
        return DatabaseUnavailable(failure.message)

    def _note(self, failure: Failure) -> None:
        _log.warning("DATABASE_CONNECTION_FAILED", reason=failure.reason.value, cause=failure.message)
        self.state = replace(self.state, reachable=False, problem=failure.message)

    async def _maintain(self, settings: Settings) -> None:
        """Connects with growing pauses, then checks again and again whether the schema can be served from."""
        pause = _MIN_PAUSE_SECONDS
        while True:
            try:
                if self._sessions is None:
                    self._sessions = await open_sessions(settings, self._url)
                await self._check_schema()
            except Exception as error:  # noqa: BLE001 - a task that ended here would leave the service without a word
                self._note(self._classified(error))
            if self.state.problem is None:
                pause = _MIN_PAUSE_SECONDS
                await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def _check_schema(self) -> None:
        sessions = self._sessions
        if sessions is None or _all_in_use(sessions.pool):
            return  # queries run: the database is there, and a check would only wait behind them
        try:
            async with (
                asyncio.timeout(_CHECK_TIMEOUT_SECONDS),
                sessions.pool.acquire(timeout=self._acquire_seconds) as connection,
                sessions.read_session(connection, sessions.settings_for(None)),
            ):
                schema = await schema_of(connection)
        except TimeoutError:
            if _all_in_use(sessions.pool):
                return
            raise
        outdated = problem(schema, schema_version())
        if outdated is not None and outdated != self.state.problem:
            _log.warning("DATABASE_SCHEMA_INCOMPATIBLE", cause=outdated)
        self.state = DatabaseState(
            connected_once=True, reachable=True, schema=schema, problem=outdated, schema_problem=outdated
        )


def _all_in_use(pool: Pool) -> bool:
    """Whether every connection that the pool may have is there and in use."""
    return pool.get_size() == pool.get_max_size() and pool.get_idle_size() == 0
