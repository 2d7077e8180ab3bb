"""Runs one step. It and its entry in the journal commit together; one outside a transaction is noted before it starts:
if it is killed, the next run repeats it.
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
from analytics_service.database.migrate.steps import Migration
from analytics_service.errors import LockHeld

_ATTEMPTS = 5
_LOOK_SECONDS = 0.05


async def apply(
    connection: "asyncpg.Connection[asyncpg.Record]", step: Migration, *, url: str, say: Callable[[str], None]
) -> None:
    """Retries when a lock is not free: waiting longer would block everyone who queues behind us.

    LockHeld names the transaction that was in the way at last.
    """
    blockers: list[str] = []

    def seen(blocker: str) -> None:
        if blocker not in blockers:
            say(f"{step.name} waits for {blocker}")
            blockers.append(blocker)

    async with contextlib.AsyncExitStack() as stack:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await (_in_transaction if step.transactional else _outside_transaction)(connection, step)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                if attempt == _ATTEMPTS:
                    who = blockers[-1] if blockers else "somebody else"
                    raise LockHeld(f"{step.name}: a lock that it needs is held by {who}") from error
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
                    await asyncio.sleep(_LOOK_SECONDS)
            finally:
                watcher.terminate()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _in_transaction(connection: Connection, step: Migration) -> None:
    async with connection.transaction():
        await connection.fetchval("SELECT set_config('lock_timeout', $1, true)", step.lock_timeout)
        await journal.begin(connection, step)
        await connection.execute(step.sql)
        await _done(connection, step)


async def _outside_transaction(connection: Connection, step: Migration) -> None:
    await connection.fetchval("SELECT set_config('lock_timeout', $1, false)", step.lock_timeout)
    await journal.begin(connection, step)
    try:
        for statement in step.statements:
            await connection.execute(statement)
    except BaseException:
        with contextlib.suppress(*FAILURES):
            await journal.interrupted(connection, step)
        raise
    async with connection.transaction():
        await _done(connection, step)


async def _done(connection: Connection, step: Migration) -> None:
    await journal.done(connection, step)
    await journal.moved(connection, step.number, step.min_compatible_schema)
