"""Writes the file of one attempt: rows are read, encoded and stored part by part, so memory does not grow with them."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from analytics_service.contract.endpoint import Row
from analytics_service.contract.exports import MAX_ROWS, StoredFile, stored_file
from analytics_service.database.connect import Session
from analytics_service.database.export_jobs import ExportJob
from analytics_service.endpoints.exports.parameters import ExportParameters, restored
from analytics_service.endpoints.exports.statement import PART_ROWS, is_last_part, key, part
from analytics_service.units.times import Range
from analytics_service.worker.exports.claims import HORIZON, PROGRESS
from analytics_service.worker.exports.encoders import encoder

READ_SECONDS: Final = 300.0
"""Of the statement of a part, which looks for rows in one day."""
_PROGRESS_SECONDS: Final = 1.0
_DAY: Final = timedelta(days=1)


class Superseded(Exception):
    """The export was cancelled, or another attempt has begun."""


@dataclass
class FileWriter:
    """One attempt; its figures are those of the file once `parts` has ended."""

    connection: Session
    job: ExportJob
    rows: int = 0
    size: int = 0
    has_more: bool = False
    raw_since: datetime | None = None
    failure: Exception | None = None
    """What ended `parts` early, whatever the storage makes of it."""
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _reported: float = 0.0

    @cached_property
    def params(self) -> ExportParameters:
        return restored(self.job.request, Range(self.job.range_start, self.job.range_end))

    @property
    def limit(self) -> int:
        return self.params.limit or MAX_ROWS

    @property
    def file(self) -> StoredFile:
        return stored_file(self.job.id, self.job.attempt, self.params.format, self.params.compression)

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    async def parts(self) -> AsyncIterator[bytes]:
        """The bytes of the file; Superseded where nobody wants them any more."""
        try:
            async for data in self._encoded():
                self._digest.update(data)
                self.size += len(data)
                yield data
        except Exception as error:
            self.failure = error
            raise

    async def _encoded(self) -> AsyncIterator[bytes]:
        encoding = encoder(self.params.format, self.params.compression, self.params.selected_fields)
        span = await self._readable()
        for day in _days(span):
            async for rows in self._rows(day):
                if data := await asyncio.to_thread(encoding.rows, rows):
                    yield data
                await self._report(span, rows[-1]["key_ts"])
            await self._report(span, day.end)
            if self.has_more:
                break
        # what follows makes a file of the parts: only the current attempt, whose session lives, may have one
        await self._store_progress(99.9)
        if data := await asyncio.to_thread(encoding.end):
            yield data

    async def _readable(self) -> Range:
        """The range without what has ended with its retention: it may be empty."""
        start, end = self.params.range
        horizon = await self.connection.fetchval(HORIZON)
        if horizon is not None and horizon > start:
            self.raw_since = horizon
            start = min(horizon, end)
        return Range(start, end)

    async def _rows(self, day: Range) -> AsyncIterator[Sequence[Row]]:
        """The rows of a day, part by part; ends once the limit is reached, and says then whether there are more."""
        after = None
        while True:
            room = self.limit - self.rows
            limit = min(PART_ROWS, room + 1)
            query = part(self.job, self.params, day, after=after, limit=limit)
            rows = await self.connection.fetch(query.sql, *query.args, timeout=READ_SECONDS)
            if rows[:room]:
                self.rows += len(rows[:room])
                yield rows[:room]
            self.has_more = len(rows) > room
            if self.has_more or is_last_part(self.params, rows, limit):
                return
            after = key(rows[-1])

    async def _report(self, span: Range, reached: datetime) -> None:
        """Stores the progress now and then: the share of the range, or of the limit where that is more."""
        now = time.monotonic()
        if now - self._reported >= _PROGRESS_SECONDS:
            self._reported = now
            share = max(self.rows / self.limit, (reached - span.start) / span.length)
            await self._store_progress(min(share * 100, 99.9))

    async def _store_progress(self, per_cent: float) -> None:
        """Superseded where this attempt is no longer the current one."""
        arguments = (self.job.id, self.job.attempt, self.rows, per_cent)
        if await self.connection.fetchval(PROGRESS, *arguments) is None:
            raise Superseded


def _days(span: Range) -> Iterator[Range]:
    """The range in parts that lie in one UTC day each, the oldest first: a statement for one reads one partition."""
    start = span.start
    while start < span.end:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        yield Range(start, min(midnight, span.end))
        start = midnight
