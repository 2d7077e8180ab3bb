"""The pool of the service, and what holds in its sessions, also behind a pooler that shares them among clients.

PgBouncer in transaction mode gives a server's session to whoever has a transaction to run. So a statement that was
prepared, and whatever was set, may belong to somebody else a moment later; and it refuses settings at the start of a
session. Behind one every statement runs in a transaction of its own with its own settings, and none stays prepared.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from analytics_service.database.connect import CONNECT_SECONDS, Pool, application_name, database_url, is_shared
from analytics_service.settings import Settings

Borrowed: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
_KEPT_STATEMENTS = 100
"""Of one connection."""


@dataclass(frozen=True)
class Sessions:
    pool: Pool
    shared: bool
    """A pooler stands between us and the server."""
    settings: dict[str, str]

    @contextlib.asynccontextmanager
    async def session(self, connection: Borrowed) -> AsyncIterator[Borrowed]:
        """While it lasts, all statements run in one session that is set as ours are."""
        if not self.shared:
            yield connection
            return
        async with connection.transaction(readonly=True):
            await connection.execute(
                "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in self.settings.items())
            )
            yield connection


async def open_sessions(settings: Settings) -> Sessions:
    """A pool whose sessions have a statement timeout from the start, UTC, and no JIT.

    Planning is over half of a short query, so the cache of statements stays on; compiling would be more than all of it.
    """
    set_to = {
        "jit": "off",
        "search_path": "public",
        "statement_timeout": str(settings.database_statement_timeout_seconds * 1000),
        "timezone": "UTC",
    }
    url, size = database_url(settings), settings.database_pool_size
    shared = await _asks_a_pooler(url, set_to)
    pool = await asyncpg.create_pool(
        url,
        min_size=min(settings.database_min_connections, size),
        max_size=size,
        timeout=CONNECT_SECONDS,
        reset=_as_it_is,
        server_settings={"application_name": application_name("service"), **({} if shared else set_to)},
        statement_cache_size=0 if shared else _KEPT_STATEMENTS,
    )
    return Sessions(pool, shared, set_to)


async def _asks_a_pooler(url: str, set_to: dict[str, str]) -> bool:
    """Whether a pooler answers: it refuses our settings, or gives us sessions of the server that it may share."""
    named = {"application_name": application_name("service"), **set_to}
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=named)
    except asyncpg.ProtocolViolationError:
        return True
    try:
        return await is_shared(connection)
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


async def _as_it_is(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Our statements leave nothing behind in a session, and to reset it would be one more question to the server."""
