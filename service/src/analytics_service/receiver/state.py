"""What rows are checked and priced by: the retention horizon and the price books of the store, read again and again."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from analytics_service.database.price_books import stored_books
from analytics_service.errors import DatabaseError, UsageError
from analytics_service.ingest.load import retention_horizon
from analytics_service.ingest.price_books import configured_books
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.received import Bounds
from analytics_service.pricing.precedence import in_order
from analytics_service.receiver.sessions import WriteSessions

REFRESH_SECONDS: Final = 20.0
"""So long a change of a price book may go unnoticed."""
_PAUSE_SECONDS: Final = 1.0
AHEAD: Final = timedelta(days=1)
MAX_AGE: Final = timedelta(days=400)
"""Of rows where raw is kept for longer or for ever: each day has a partition, and older rows come by import."""

_log = structlog.get_logger(__name__)


class StoreState:
    """Refreshed by whoever asks for it when it is old; the last one is used where that fails."""

    def __init__(self, sessions: WriteSessions, *, retention: timedelta | None, book_paths: Sequence[str]) -> None:
        self._sessions = sessions
        self._max_age = MAX_AGE if retention is None else min(retention, MAX_AGE)
        self._paths = book_paths
        self._prices: Prices | None = None
        self._read_at = 0.0
        self._failed: DatabaseError | None = None
        """Why they were never read."""
        self._failed_at = 0.0
        self._refreshing = asyncio.Lock()
        self.horizon: datetime | None = None

    async def prices(self) -> Prices:
        """DatabaseError where they were never read, and cannot be."""
        if self._prices is None or time.monotonic() - self._read_at > REFRESH_SECONDS:
            async with self._refreshing:
                if self._failed is not None and time.monotonic() - self._failed_at < _PAUSE_SECONDS:
                    raise self._failed  # whoever waited for the one that has tried need not try again
                if self._prices is None or time.monotonic() - self._read_at > REFRESH_SECONDS:
                    await self._refresh()
        assert self._prices is not None  # noqa: S101 - else _refresh has raised
        return self._prices

    def bounds(self, now: datetime) -> Bounds:
        """Of the times of rows that are taken."""
        oldest = now - self._max_age
        midnight = oldest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return Bounds(first=max(midnight, self.horizon or midnight), last=now + AHEAD)

    async def _refresh(self) -> None:
        try:
            configured = await asyncio.to_thread(configured_books, self._paths)
            async with self._sessions.transaction() as connection:
                self.horizon = await retention_horizon(connection)
                sources = in_order((), await stored_books(connection), tuple(each.book for each in configured))
        except (DatabaseError, UsageError) as error:
            if self._prices is None:
                self._failed = DatabaseError(str(error)) if isinstance(error, UsageError) else error
                self._failed_at = time.monotonic()
                raise self._failed from error
            _log.warning("price books and horizon could not be read again", cause=str(error))
        else:
            self._prices = Prices(sources=sources)
            self._failed = None
        self._read_at = time.monotonic()
