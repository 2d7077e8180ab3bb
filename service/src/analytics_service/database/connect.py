"""How commands connect, and the names of what a connection is."""

from typing import TypeAlias

import asyncpg

from analytics_service.settings import Settings

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""Its own, or borrowed from a pool."""

CONNECT_SECONDS = 10.0


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
