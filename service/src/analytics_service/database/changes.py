"""Transactions that change rows which others may change at the same time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.errors import DatabaseError

T = TypeVar("T")

_MAX_ATTEMPTS: Final = 10
_MAX_PAUSE_SECONDS: Final = 2.0
"""Before the next attempt, so that of two that wait for each other one gets through."""


class RowsChangedError(Exception):
    """Somebody else has changed a row since it was read."""


async def transact(connection: Connection, work: Callable[[], Awaitable[T]], *, rows: str) -> T:
    """Does all of the work or nothing, again from its beginning where others came between, or where the retention
    horizon moved; DatabaseError, which names the rows, where they always do.
    """
    for attempt in range(_MAX_ATTEMPTS):
        if attempt > 0:
            await asyncio.sleep(random.uniform(0, min(0.05 * 2**attempt, _MAX_PAUSE_SECONDS)))  # noqa: S311
        try:
            async with connection.transaction(isolation="read_committed"):
                return await work()
        except (RowsChangedError, asyncpg.DeadlockDetectedError):
            pass
        except asyncpg.CheckViolationError as error:
            if error.constraint_name != "traces_not_before_floor":
                raise
    raise DatabaseError(f"the rows of {rows} change all the time: try again, to go on there")
