"""Connections of commands, and the types of a connection and a pool."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import asyncpg
import structlog

from analytics_service import connection_url
from analytics_service.database.failures import FAILURES
from analytics_service.database.migrate.migration import schema_version
from analytics_service.database.product import check_product
from analytics_service.database.tls import tls_parameters
from analytics_service.errors import PoolerInTheWay
from analytics_service.settings import Settings

_log = structlog.get_logger(__name__)

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""Its own, or borrowed from a pool."""
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""Its own."""

CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 2.0
"""Then the connection is dropped: its server has gone without a word."""
SETTINGS: Final = {"jit": "off", "search_path": "public", "timezone": "UTC"}
"""Of every session. Compiling would be more than all of a short query."""

_WITH_EXTENSION: Final = """
SELECT set_config('search_path', 'public, ' || quote_ident(n.nspname), false)
FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'timescaledb' AND n.nspname <> 'public'
"""
"""Its functions are where the extension was created, and migrations name them without their schema."""
_KEEPALIVES: Final = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
"""The server ends the session, and with it its locks, a minute after our machine was lost, not two hours after."""


def application_name(command: str) -> str:
    """The name that the database shows for a session: the command, and the schema that its release knows.

    A migration that older releases could not live with reads it, and waits until they are gone.
    """
    return f"analytics-{command}/{schema_version()}"


async def connect(url: str, *, command: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of its own, for work that may take long: its statements have no timeout."""
    return await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        server_settings=SETTINGS | {"application_name": application_name(command), "statement_timeout": "0"},
    )


async def connect_directly(url: str, *, command: str) -> "asyncpg.Connection[asyncpg.Record]":
    """As `connect`; PoolerInTheWay where other clients would share the session, and with it our locks and settings."""
    cure = f"DATABASE_URL: names a connection pooler; {command} needs the server's own address"
    try:
        connection = await connect(url, command=command)
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" in str(error):
            raise PoolerInTheWay(cure) from error
        raise
    try:
        await check_product(connection)
        shared = await is_shared(connection)
        if not shared:
            await connection.execute(_WITH_EXTENSION)
            await connection.execute(_KEEPALIVES)
    except BaseException:
        connection.terminate()
        raise
    if shared:
        connection.terminate()
        raise PoolerInTheWay(cure)
    return connection


@contextlib.asynccontextmanager
async def session(url: str, *, command: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session that is ours alone, from `connect_directly`, which ends with the block."""
    connection = await connect_directly(url, command=command)
    try:
        yield connection
    finally:
        with contextlib.suppress(*FAILURES):  # a lost connection cannot be closed in order
            await connection.close(timeout=_CLOSE_SECONDS)


async def is_shared(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether a pooler answers: then the process that we connected to is not the one that runs our statements."""
    # not prepared: that takes two messages, which a pooler may send to two servers
    status = await connection.execute(f"SELECT FROM pg_backend_pid() AS p WHERE p = {connection.get_server_pid()}")
    return status != "SELECT 1"


def database_url(settings: Settings, *, setting: str = "DATABASE_URL") -> str:
    """The connection string as the driver takes it; `setting` is the one that it came from.

    Logs once what is left out of it; UsageError names a file of certificates that cannot be used.
    """
    if settings.database_url is None:
        raise ValueError("DATABASE_URL was not required by this command")
    url = connection_url.parse(settings.database_url.get_secret_value())
    if url.left_out:
        _log.warning("DATABASE_URL_PARAMETERS_LEFT_OUT", setting=setting, parameters=", ".join(url.left_out))
    return url.dsn(**tls_parameters(settings, url.parameters, setting=setting))
