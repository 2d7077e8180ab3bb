"""Rows into `traces`: COPY straight into the table, a staging table only for a batch that meets rows already there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.ingest.fields import COLUMNS
from analytics_service.ingest.rows import Row, record

_ENSURE = "SELECT ensure_partitions($1, $2)"
_MOST_DAYS = 16  # of one hour each, these are 384 partitions: a call makes at most 400
_MICROSECOND = timedelta(microseconds=1)
_STAGING = """
CREATE TEMP TABLE IF NOT EXISTS traces_staging ON COMMIT DELETE ROWS AS SELECT * FROM traces WITH NO DATA
"""
# In the order of the file: the first row of an id wins.
_MERGE = f"""
INSERT INTO traces ({", ".join(COLUMNS)})
SELECT {", ".join(COLUMNS)} FROM pg_temp.traces_staging ORDER BY ctid ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of a batch."""

    inserted: int
    present: int
    """Rows whose id was there already, in the table or earlier in the batch."""


class Writer:
    """Writes batches on one connection, each in a transaction of its own, and makes the partitions they need."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ensured: set[date] = set()

    async def write(self, rows: Sequence[Row]) -> Written:
        """Commits the batch, whole or not at all; the dirty log is written by the table's own triggers."""
        await self._ensure(rows)
        records = [record(row) for row in rows]
        async with self._connection.transaction():
            try:
                async with self._connection.transaction():  # a savepoint: COPY cannot skip what is there already
                    await self._connection.copy_records_to_table("traces", records=records, columns=COLUMNS)
            except asyncpg.UniqueViolationError:
                inserted = await self._merge(records)
            else:
                inserted = len(records)
        return Written(inserted=inserted, present=len(records) - inserted)

    async def _merge(self, records: Sequence[tuple[object, ...]]) -> int:
        await self._connection.execute(_STAGING)
        await self._connection.copy_records_to_table(
            "traces_staging", schema_name="pg_temp", records=records, columns=COLUMNS
        )
        status = await self._connection.execute(_MERGE)
        return int(status.rsplit(" ", 1)[1])

    async def _ensure(self, rows: Sequence[Row]) -> None:
        days = {row["ts"].date() for row in rows} - self._ensured
        for first, last in runs(days):
            await self._connection.fetchval(
                _ENSURE, _midnight(first), _midnight(last + timedelta(days=1)) - _MICROSECOND
            )
        self._ensured |= days


def runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as first and last of each run of days that follow one another, at most _MOST_DAYS of them."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1) and (day - found[-1][0]).days < _MOST_DAYS:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), tzinfo=UTC)
