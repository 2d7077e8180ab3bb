"""Rows into `traces`: COPY straight into the table, a staging table for a batch with spans that are there already."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from typing import Final, TypeAlias

import asyncpg

from analytics_service.database.changes import transact
from analytics_service.database.connect import Connection
from analytics_service.ingest import staging
from analytics_service.ingest.conflicts import OnConflict, Price, Resolved, resolve
from analytics_service.ingest.identity import LEGACY
from analytics_service.ingest.rows import SpanRow
from analytics_service.ingest.staging import SpanKey, Staged
from analytics_service.ingest.stored import LOCK_STAGED, continued, lock, mark_nested
from analytics_service.ingest.text import Text, encode
from analytics_service.ingest.traces import Trace

_ENSURE: Final = "SELECT ensure_partitions($1, $2)"
_MAX_DAYS_PER_CALL: Final = 16  # of one hour each, these are 384 partitions: a call makes at most 400
_NOT_ANALYZED: Final = """
SELECT c.oid::regclass::text AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'public.traces'::regclass AND c.reltuples < 0 AND pg_relation_size(c.oid) > 0
"""
_MICROSECOND: Final = timedelta(microseconds=1)
Refuses: TypeAlias = Callable[[SpanRow, Sequence[SpanRow]], bool]
"""Whether a row may not become one with the stored rows of its span."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of the rows of a batch."""

    inserted: int
    present: int = 0
    """Rows of spans that were there already, in the store or earlier in the batch."""
    conflicts: int = 0
    """Of these, the ones with other content."""
    changed: int = 0
    """Rows of the store that have become others by them."""
    nested: int = 0
    """Calls of models that another span of their trace counts: more than before."""
    known: frozenset[SpanKey] = frozenset()
    """The spans that the store had before, where they were asked for."""


class Writer:
    """Writes batches on one connection, each in a transaction of its own, and makes the partitions they need."""

    def __init__(
        self,
        connection: Connection,
        on_conflict: OnConflict,
        price: Price,
        *,
        ensured: set[date] | None = None,
        staging_table: str = staging.CREATE,
    ) -> None:
        """`ensured` are the days that have partitions, which it adds to."""
        self._connection = connection
        self._on_conflict = on_conflict
        self._price = price
        """Of merged rows."""
        self._ensured = set() if ensured is None else ensured
        self._staging_table = staging_table

    async def write(self, text: Text) -> Written:
        """Commits the batch, whole or not at all; the dirty log is written by the table's own triggers.

        UsageError with OnConflict.STOP, where a span is there with other content.
        """
        await self.ensure(text.days)
        may_be_known = text.is_repeated or not set(LEGACY).isdisjoint(text.columns)
        if text.traces or may_be_known:
            await self.analyze()
        try:
            return await transact(
                self._connection, partial(self.store, text, may_be_known=may_be_known), rows="a batch"
            )
        except asyncpg.UniqueViolationError:  # COPY cannot skip what is there already
            await self.analyze()
            return await transact(self._connection, partial(self.store, text, may_be_known=True), rows="a batch")

    async def store(
        self, text: Text, *, may_be_known: bool, refuses: Refuses | None = None, ask_known: bool = False
    ) -> Written:
        """Stores the batch inside of the caller's transaction; the partitions of its days are there.

        asyncpg.UniqueViolationError where a span is there already and `may_be_known` did not say so. `refuses` decides
        on rows of spans that are there with other content: what it refuses is left out.
        """
        related = frozenset[Trace]()
        if text.traces:
            await lock(self._connection, text.traces)
            related = await continued(self._connection, text.traces)
        if related or may_be_known:
            written = await self._settle(text, refuses, ask_known=ask_known)
        else:
            await self._copy(text, "public", "traces")
            written = Written(inserted=text.rows)
        connected = {
            trace: extent
            for trace, extent in text.traces.items()
            if trace in related or (extent.rows > 1 and "parent_span_id" in text.columns)
        }
        return replace(written, nested=await mark_nested(self._connection, connected))

    async def dry_run(self, text: Text) -> Written:
        """What `write` would do; nothing stays. Of rows with one id in two batches both count."""
        async with self._connection.transaction():  # which empties the staging table
            staged = await self._stage(text)
            return self._written(text, await staged.count_new(), await self._resolved(staged))

    async def _settle(self, text: Text, refuses: Refuses | None, *, ask_known: bool) -> Written:
        staged = await self._stage(text)
        await self._connection.execute(LOCK_STAGED)
        known = await staged.known() if ask_known else frozenset()
        resolved = await self._resolved(staged, refuses)
        new = await staged.insert_new(text.columns)
        await staged.delete(resolved.removed)
        if resolved.added:
            await self._copy(encode(resolved.added), "public", "traces")
        return replace(self._written(text, new, resolved), known=known)

    async def _resolved(self, staged: Staged, refuses: Refuses | None = None) -> Resolved:
        resolved = Resolved()
        for arrived, stored in (await staged.others()).values():
            admitted = arrived if refuses is None else [row for row in arrived if not refuses(row, stored)]
            resolve(admitted, stored, self._on_conflict, self._price, resolved)
        return resolved

    @staticmethod
    def _written(text: Text, new: int, resolved: Resolved) -> Written:
        inserted = new + resolved.inserted
        return Written(
            inserted=inserted,
            present=text.rows - inserted,
            conflicts=resolved.conflicts,
            changed=len(resolved.removed),
        )

    async def _stage(self, text: Text) -> Staged:
        await self._connection.execute(self._staging_table)
        await self._copy(text, "pg_temp", staging.TABLE)
        return Staged(self._connection, _midnight(min(text.days)), _midnight(max(text.days) + timedelta(days=1)))

    async def _copy(self, text: Text, schema: str, table: str) -> None:
        async def data() -> AsyncIterator[bytes]:
            yield text.data

        await self._connection.copy_to_table(
            table, schema_name=schema, source=data(), columns=text.columns, format="text"
        )

    async def analyze(self) -> None:
        """What autovacuum has not come to yet: without statistics a span is looked up among all of its day."""
        for row in await self._connection.fetch(_NOT_ANALYZED):
            await self._connection.execute(f"ANALYZE {row['name']}")

    async def ensure(self, days: AbstractSet[date]) -> None:
        """Makes the partitions of these days, in a transaction of its own."""
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
