"""Sessions of processes that write: the checks before the first write, and the errors that commands end with.

`import`, `policies`, `prices` and `requests` use `writer_session`; the worker, which waits instead of failing, asks
`writing_blocker` again and again; `doctor` reports each of the same checks as a line of its own.
"""

import contextlib
from collections.abc import AsyncIterator

import asyncpg

from analytics_service.database import privileges
from analytics_service.database.connect import Connection, session
from analytics_service.database.failures import FAILURES, classify, command_error
from analytics_service.database.migrate.migration import schema_version
from analytics_service.database.schema import problem, schema_of
from analytics_service.errors import DatabaseError, DatabaseUnfit, DatabaseUnsupported, SchemaIncompatible


async def writing_blocker(
    connection: Connection, *, rows_only: bool = False, requests: bool = False, dry_run: bool = False
) -> DatabaseError | None:
    """The first reason why this release, or this user, cannot write to the database; None when both can.

    A dry run needs no privilege to write, and who writes `rows_only` none on the tables that only the worker writes;
    `requests` are stored beside rows by who takes them from clients.
    """
    schema = await schema_of(connection)
    outdated = problem(schema, schema_version(), writes=True)
    if outdated is not None:
        return (SchemaIncompatible if schema.unsupported is None else DatabaseUnsupported)(outdated)
    missing = None if dry_run else await privileges.missing(connection, rows_only=rows_only, requests=requests)
    return None if missing is None else DatabaseUnfit(missing)


@contextlib.asynccontextmanager
async def writer_session(
    url: str, *, command: str, dry_run: bool = False
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that may write; every failure, also inside the block, is the DatabaseError that a command ends with.

    PoolerInTheWay, SchemaIncompatible and DatabaseUnfit are raised before the block begins.
    """
    try:
        async with session(url, command=command) as connection:
            blocker = await writing_blocker(connection, rows_only=command == "import", dry_run=dry_run)
            if blocker is not None:
                raise blocker
            yield connection
    except FAILURES as error:
        raise command_error(classify(error, url)) from error
