"""Runs one migration, which commits together with its entry in the journal.

One that runs outside a transaction is noted before it starts: if it is killed, the next run repeats it.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import asyncpg

from analytics_service.database.connect import Connection, connect
from analytics_service.database.failures import FAILURES
from analytics_service.database.migrate import journal
from analytics_service.database.migrate.blockers import blocker_of
from analytics_service.database.migrate.migration import Migration
from analytics_service.errors import LockHeld

_MAX_ATTEMPTS = 5
_BLOCKER_POLL_SECONDS = 0.05


async def apply(
    connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, *, url: str, notify: Callable[[str], None]
) -> None:
    """Retries when a lock is not free: waiting longer would block everyone who queues behind us.

    LockHeld names the transaction that was in the way at last.
    """
    blockers: list[str] = []

    def seen(blocker: str) -> None:
        if blocker not in blockers:
            notify(f"{migration.name} waits for {blocker}")
            blockers.append(blocker)

    async with contextlib.AsyncExitStack() as stack:
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            try:
                await (_in_transaction if migration.transactional else _outside_transaction)(connection, migration)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                if attempt == _MAX_ATTEMPTS:
                    who = blockers[-1] if blockers else "somebody else"
                    raise LockHeld(f"{migration.name}: a lock that it needs is held by {who}") from error
                if attempt == 1:
                    await stack.enter_async_context(_watching(url, connection.get_server_pid(), seen))
                await asyncio.sleep(2**attempt * random.uniform(0.1, 0.2))  # noqa: S311 - a pause, no secret
            else:
                return


@contextlib.asynccontextmanager
async def _watching(url: str, pid: int, seen: Callable[[str], None]) -> AsyncIterator[None]:
    """Looks for whom process `pid` waits, from another session: its own is busy waiting."""

    async def watch() -> None:
        with contextlib.suppress(*FAILURES):  # then nobody is named
            watcher = await connect(url, command="migrate")
            try:
                while True:
                    if (blocker := await blocker_of(watcher, pid)) is not None:
                        seen(blocker)
                    await asyncio.sleep(_BLOCKER_POLL_SECONDS)
            finally:
                watcher.terminate()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _in_transaction(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.fetchval("SELECT set_config('lock_timeout', $1, true)", migration.lock_timeout)
        await journal.mark_running(connection, migration)
        await connection.execute(migration.sql)
        await _complete(connection, migration)


async def _outside_transaction(connection: Connection, migration: Migration) -> None:
    await connection.fetchval("SELECT set_config('lock_timeout', $1, false)", migration.lock_timeout)
    await journal.mark_running(connection, migration)
    try:
        for statement in migration.statements:
            await connection.execute(statement)
    except BaseException:
        with contextlib.suppress(*FAILURES):
            await journal.mark_interrupted(connection, migration)
        raise
    async with connection.transaction():
        await _complete(connection, migration)


async def _complete(connection: Connection, migration: Migration) -> None:
    await journal.mark_done(connection, migration)
    await journal.set_version(connection, migration.number, migration.min_compatible_schema)
