"""How the service connects: one place for what every session of it is set to."""

from typing import TypeAlias

import asyncpg

from analytics_service.settings import Settings

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""Its own, or borrowed from a pool."""

CONNECT_SECONDS = 10.0


async def open_pool(settings: Settings, *, minimum: int, maximum: int, application: str) -> Pool:
    """A pool whose sessions have a statement timeout from the start, UTC, and no JIT.

    Planning is over half of a short query, so the cache of statements stays on; compiling would be more than all of it.
    """
    return await asyncpg.create_pool(
        database_url(settings),
        min_size=minimum,
        max_size=maximum,
        timeout=CONNECT_SECONDS,
        server_settings={
            "application_name": application,
            "jit": "off",
            "search_path": "public",
            "statement_timeout": str(settings.database_statement_timeout_seconds * 1000),
            "timezone": "UTC",
        },
    )


async def connect(url: str, *, application: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of its own, for work that may take long: its statements have no timeout."""
    return await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        server_settings={
            "application_name": application,
            "jit": "off",
            "search_path": "public",
            "statement_timeout": "0",
            "timezone": "UTC",
        },
    )


def database_url(settings: Settings) -> str:
    """The connection string; the commands that need it have required it."""
    if settings.database_url is None:
        raise ValueError("DATABASE_URL was not required by this command")
    return settings.database_url.get_secret_value()
