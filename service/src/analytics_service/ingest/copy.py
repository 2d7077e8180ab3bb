"""Rows into `traces`: COPY straight into the table, a staging table only for a batch that meets rows already there."""

from collections.abc import AsyncIterator, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.ingest.identity import LEGACY
from analytics_service.ingest.text import Text

_ENSURE = "SELECT ensure_partitions($1, $2)"
_MAX_DAYS_PER_CALL = 16  # of one hour each, these are 384 partitions: a call makes at most 400
_MICROSECOND = timedelta(microseconds=1)
_STAGING = """
CREATE TEMP TABLE IF NOT EXISTS traces_staging ON COMMIT DELETE ROWS AS
SELECT *, NULL::text AS legacy_trace_id, NULL::text AS legacy_span_id FROM traces WITH NO DATA
"""
_NOT_LEGACY = """(s.legacy_trace_id IS NULL OR NOT EXISTS (
  SELECT FROM traces AS t
  WHERE t.org_id = s.org_id AND t.trace_id = s.legacy_trace_id AND t.span_id = s.legacy_span_id AND t.ts = s.ts
    AND t.model = s.model AND t.user_id IS NOT DISTINCT FROM s.user_id
    AND t.completion_tokens IS NOT DISTINCT FROM s.completion_tokens -- else it is another file under an old name
))"""
# In the order of the file: the first row of an id wins.
_MERGE = f"""
INSERT INTO traces ({{columns}})
SELECT {{columns}} FROM pg_temp.traces_staging AS s
WHERE {_NOT_LEGACY}
ORDER BY s.ctid ON CONFLICT DO NOTHING
"""
_COUNT = f"""
SELECT count(*) FROM (
  SELECT DISTINCT s.org_id, s.trace_id, s.span_id, s.ts FROM pg_temp.traces_staging AS s
  WHERE {_NOT_LEGACY} AND NOT EXISTS (
    SELECT FROM traces AS t
    WHERE t.org_id = s.org_id AND t.trace_id = s.trace_id AND t.span_id = s.span_id AND t.ts = s.ts
  )
) AS new
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The numbers of rows of a batch that were inserted, and that were present already."""

    inserted: int
    present: int
    """Rows whose id was there already, in the table or earlier in the batch."""


class Writer:
    """Writes batches on one connection, each in a transaction of its own, and makes the partitions they need."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ensured: set[date] = set()

    async def write(self, text: Text) -> Written:
        """Commits the batch, whole or not at all; the dirty log is written by the table's own triggers."""
        await self._ensure(text.days)
        may_be_there = not set(LEGACY).isdisjoint(text.columns)
        async with self._connection.transaction():
            inserted = await (self._merge(text) if may_be_there else self._append(text))
        return Written(inserted=inserted, present=text.rows - inserted)

    async def dry_run(self, text: Text) -> Written:
        """What `write` would do; nothing stays. Of rows with one id in two batches both count."""
        async with self._connection.transaction():  # which empties the staging table
            await self._stage(text)
            inserted = await self._connection.fetchval(_COUNT)
        return Written(inserted=inserted, present=text.rows - inserted)

    async def _append(self, text: Text) -> int:
        try:
            async with self._connection.transaction():  # a savepoint: COPY cannot skip what is there already
                await self._copy(text, "public", "traces")
        except asyncpg.UniqueViolationError:
            return await self._merge(text)
        return text.rows

    async def _stage(self, text: Text) -> None:
        await self._connection.execute(_STAGING)
        await self._copy(text, "pg_temp", "traces_staging")

    async def _merge(self, text: Text) -> int:
        await self._stage(text)
        columns = ", ".join(name for name in text.columns if name not in LEGACY)
        status = await self._connection.execute(_MERGE.format(columns=columns))
        return int(status.rsplit(" ", 1)[1])

    async def _copy(self, text: Text, schema: str, table: str) -> None:
        async def data() -> AsyncIterator[bytes]:
            yield text.data

        await self._connection.copy_to_table(
            table, schema_name=schema, source=data(), columns=text.columns, format="text"
        )

    async def _ensure(self, days: AbstractSet[date]) -> None:
        for first, last in runs(days - self._ensured):
            await self._connection.fetchval(
                _ENSURE, _midnight(first), _midnight(last + timedelta(days=1)) - _MICROSECOND
            )
        self._ensured |= days


def runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as first and last of each run of days that follow one another, at most _MAX_DAYS_PER_CALL of them."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(days):
        if ranges and day - ranges[-1][1] == timedelta(days=1) and (day - ranges[-1][0]).days < _MAX_DAYS_PER_CALL:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), tzinfo=UTC)
