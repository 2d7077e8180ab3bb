"""Converts what is left of the rollups of before: days of one organisation in one transaction, the newest first."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.database.failures import FAILURES
from analytics_service.rollups.conversion import statements
from analytics_service.rollups.conversion.survey import survey
from analytics_service.rollups.hierarchy import log
from analytics_service.rollups.hierarchy.refresh import segments
from analytics_service.rollups.hierarchy.tables import Table

_DAY: Final = timedelta(days=1)
_MAX_DAYS: Final = 64
"""Of one transaction, as _MAX_ROWS: little is lost by a kill, and refreshes of the organisation have their turn."""
_MAX_ROWS: Final = 50_000
_MAX_ATTEMPTS: Final = 20
_RETRY_SECONDS: Final = 0.2
_LOCK: Final = f"SELECT pg_advisory_lock({log.LOCK_KEY})"
_UNLOCK: Final = f"SELECT pg_advisory_unlock({log.LOCK_KEY})"
_SETTINGS: Final = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '32MB'"

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of days, of all organisations, that are done, and with that of all."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    days: int = 0
    rows: int = 0
    """That were written."""


async def convert(connection: Connection, progress: Progress) -> Converted:
    """Converts all that is left; any number of readers, writers and refreshes may run beside it."""
    left = (await survey(connection)).days
    days = rows = 0
    for (organisation,) in await connection.fetch(statements.ORGANISATIONS):
        async for converted in batches(connection, organisation):
            days, rows = days + converted.days, rows + converted.rows
            progress(days, max(left, days))
    return Converted(days=days, rows=rows)


async def batches(connection: Connection, organisation: str) -> AsyncIterator[Converted]:
    """Converts what is left of an organisation, one transaction after another."""
    days = [row["day"] for row in await connection.fetch(statements.DAYS, organisation)]
    first, size = 0, 1
    while first < len(days) or first == 0:
        batch = days[first : first + size]
        first += max(len(batch), 1)
        rows = await _batch(connection, organisation, batch, last=first >= len(days))
        yield Converted(days=len(batch), rows=rows)
        if rows * 2 <= _MAX_ROWS:
            size = min(size * 2, _MAX_DAYS)
        elif rows > _MAX_ROWS:
            size = max(size // 2, 1)


async def _batch(connection: Connection, organisation: str, days: Sequence[datetime], *, last: bool) -> int:
    """Converts days in one snapshot, and returns the number of rows; again where somebody changed a horizon meanwhile.

    The lock is taken before the snapshot: a refresh that it waits for has to be in it.
    """
    for attempt in itertools.count(1):
        try:
            async with _locked(connection, organisation), connection.transaction(isolation="repeatable_read"):
                rows = await _Days(connection, organisation).convert(days)
                await connection.execute(statements.RECORD, organisation, days[-1] if days else None, last)
                return rows
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if attempt == _MAX_ATTEMPTS:
                raise
        await asyncio.sleep(_RETRY_SECONDS)
    raise AssertionError


@contextlib.asynccontextmanager
async def _locked(connection: Connection, organisation: str) -> AsyncIterator[None]:
    await connection.execute(_LOCK, organisation)
    try:
        yield
    finally:
        with contextlib.suppress(*FAILURES):  # whoever lost its connection has no lock any more
            await connection.execute(_UNLOCK, organisation)


@dataclass(frozen=True)
class _Days:
    """Days of an organisation, inside a transaction."""

    connection: Connection
    organisation: str

    async def convert(self, days: Sequence[datetime]) -> int:
        await self.connection.execute(log.SHARE_HORIZONS)
        await self.connection.execute(statements.RAISE_HORIZONS)
        horizons = {row["name"]: row["floor"] for row in await self.connection.fetch(log.HORIZONS)}
        unclean = {row["day"] for row in await self.connection.fetch(statements.UNCLEAN, self.organisation, days)}
        refreshed = horizons[Table.LATENCY_1MIN]
        of_raw = {day for day in days if day >= horizons["raw"] and (day >= refreshed or day in unclean)}
        await self.connection.execute(_SETTINGS)
        rows = await self._log(sorted(of_raw))
        copied = sorted(set(days) - of_raw)
        await self._write(statements.FORGET_TRANSACTIONS, copied)
        for table in Table:
            await self._write(statements.delete(table), copied)
        for table in statements.LEVELS:
            rows += await self._copy(table, [day for day in copied if day >= horizons[table]])
        with_raw = [day for day in copied if day >= horizons["raw"]]
        await self.connection.execute(statements.MARK_UNPARTED, self.organisation, with_raw)
        return rows

    async def _log(self, days: Sequence[datetime]) -> int:
        if not days:
            return 0
        starts, ends = segments(days, _DAY)
        status = await self.connection.execute(
            statements.LOG_OF_RAW, self.organisation, starts, ends, starts[0], ends[-1]
        )
        return _count(status)

    async def _copy(self, table: Table, days: Sequence[datetime]) -> int:
        if table in statements.MERGED:
            return await self._write(statements.MERGED[table], days, None)
        await self._write(statements.number(table), days)
        return await self._write(statements.copy(table), days)

    async def _write(self, statement: str, days: Sequence[datetime], *more: object) -> int:
        if not days:
            return 0
        return _count(await self.connection.execute(statement, self.organisation, *segments(days, _DAY), *more))


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
