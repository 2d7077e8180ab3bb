"""Stale-while-revalidate: an expired answer is served once more while a background task recomputes it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from analytics_service.cache.memory import ByteBoundedLru, Stored
from analytics_service.errors import ServiceError
from analytics_service.units.freshness import FRESHNESS

_log = structlog.get_logger(__name__)


class StaleAnswers:
    def __init__(self, *, max_bytes: int = 16 * 1024 * 1024, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: ByteBoundedLru[str, Stored] = ByteBoundedLru(max_bytes=max_bytes)
        self._refreshing: dict[str, asyncio.Task[None]] = {}

    def put(self, question: str, answer: Stored, *, fresh_until: float) -> None:
        self._last.put(question, answer, until=fresh_until + FRESHNESS.stale_seconds)

    def get(self, question: str) -> Stored | None:
        return self._last.get(question, self._clock())

    def refresh(self, question: str, make: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Recomputes in the background, one task per key; an error is logged and left to the next request."""
        if question not in self._refreshing:
            task = self._refreshing[question] = asyncio.create_task(_log_failure(make))
            task.add_done_callback(lambda _done: self._refreshing.pop(question))

    async def close(self) -> None:
        """Cancels the tasks."""
        under_way = list(self._refreshing.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _log_failure(make: Callable[[], Coroutine[Any, Any, object]]) -> None:
    try:
        await make()
    except ServiceError as error:
        _log.info("stale answer not refreshed", cause=type(error).__name__)
