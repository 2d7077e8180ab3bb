"""The pool of the service and the settings of its sessions, also behind a pooler that shares them among clients.

PgBouncer in transaction mode gives a server's session to whoever has a transaction to run. So a statement that was
prepared, and whatever was set, may belong to somebody else a moment later; and it refuses settings at the start of a
session. Behind one every statement runs in a transaction of its own with its own settings, and none stays prepared.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg

from analytics_service.database.connect import (
    CONNECT_SECONDS,
    SETTINGS,
    Connection,
    Pool,
    application_name,
    is_shared,
)
from analytics_service.database.product import check_product
from analytics_service.database.query import Query
from analytics_service.settings import Settings

Borrowed: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
GENERIC_PLAN: Final = {"plan_cache_mode": "force_generic_plan"}
"""A statement is planned once for all values. Planned for its values, one over rollups takes three times as long as it
runs, and the more rows raw has, the more the server prefers that: it counts partitions that are hardly ever read."""
_CUSTOM_PLAN: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
_STATEMENT_CACHE_SIZE: Final = 32
"""Of one connection: a plan over the partitions of three months takes 3 MB of the server's memory."""
_ROLLBACK_SECONDS: Final = 2.0
_CONDITION_PAUSES_SECONDS: Final = (0.005, 0.02, 0.0)
"""Before a condition is asked for again: it becomes true within a moment, or not for long."""


@dataclass(frozen=True)
class Sessions:
    pool: Pool
    shared: bool
    """A pooler stands between us and the server."""
    settings: dict[str, str]

    def settings_for(self, query: Query | None) -> str | None:
        """The statement that `session` has to begin with; None where none is needed."""
        if self.shared:
            return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in self.settings.items())
        return _CUSTOM_PLAN if query is not None and query.searches else None

    @contextlib.asynccontextmanager
    async def read_session(self, connection: Borrowed, first: str | None) -> AsyncIterator[Borrowed]:
        """Runs the block's statements in one session: in a read-only transaction that begins with `first`, if any."""
        if first is None:
            yield connection
            return
        # Each statement sees what was committed before it, whatever the server's default is: a replica is asked first
        # whether it has what the second one is to read.
        async with connection.transaction(isolation="read_committed", readonly=True):
            await connection.execute(first)
            yield connection

    @contextlib.asynccontextmanager
    async def transaction(self, connection: Borrowed, *, readonly: bool, seconds: float) -> AsyncIterator[None]:
        """Runs the block's statements in one transaction, which is undone where the block raises, or takes longer."""
        opened = connection.transaction(isolation="read_committed", readonly=readonly)
        async with response_timeout(connection, seconds):
            await opened.start()
            try:
                if (first := self.settings_for(None)) is not None:
                    await connection.execute(first)
                yield
            except BaseException:
                async with response_timeout(connection, _ROLLBACK_SECONDS):
                    await opened.rollback()
                raise
            await opened.commit()


@dataclass(frozen=True)
class Statements:
    """Statements of a transaction, as values."""

    connection: Connection

    async def fetch(self, query: Query) -> list[asyncpg.Record]:
        return await self.connection.fetch(query.sql, *query.args)


@contextlib.asynccontextmanager
async def response_timeout(connection: Borrowed, seconds: float | None) -> AsyncIterator[None]:
    """Drops a connection whose server is silent for so long: to give it back to the pool would wait for it as well."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        connection.terminate()
        raise


async def becomes_true(connection: Borrowed, condition: Query) -> bool:
    """Whether the condition, which is asked for a few times, holds in this session."""
    for pause in _CONDITION_PAUSES_SECONDS:
        if await connection.fetchval(condition.sql, *condition.args):
            return True
        await asyncio.sleep(pause)
    return False


async def open_sessions(settings: Settings, url: str) -> Sessions:
    """A pool whose sessions have a statement timeout from the start, and keep the plans of their statements."""
    set_to = SETTINGS | {"statement_timeout": str(settings.database_statement_timeout_seconds * 1000)}
    size = settings.database_pool_size
    shared = await is_pooler(url, set_to | GENERIC_PLAN)
    pool = await asyncpg.create_pool(
        url,
        min_size=min(settings.database_min_connections, size),
        max_size=size,
        timeout=CONNECT_SECONDS,
        reset=no_reset,
        server_settings={"application_name": application_name("service"), **({} if shared else set_to | GENERIC_PLAN)},
        statement_cache_size=0 if shared else _STATEMENT_CACHE_SIZE,
        max_cacheable_statement_size=0,  # any: those longer than 15 kB would be planned each time
    )
    return Sessions(pool, shared, set_to)


async def is_pooler(url: str, set_to: dict[str, str]) -> bool:
    """Whether a pooler answers: it refuses our settings, or gives us sessions of the server that it may share."""
    named = {"application_name": application_name("service"), **set_to}
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=named)
    except asyncpg.ProtocolViolationError:
        return True
    try:
        await check_product(connection)
        return await is_shared(connection)
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


async def no_reset(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Our statements leave nothing behind in a session, and to reset it would be one more question to the server."""
