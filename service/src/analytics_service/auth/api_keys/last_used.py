"""Writes when keys were last used: beside the requests, each key once a minute at most."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import structlog

from analytics_service.errors import DatabaseError

Write: TypeAlias = Callable[[Mapping[str, datetime]], Awaitable[None]]
"""Times by the ids of keys."""
INTERVAL_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)


class LastUsed:
    """Must be closed, which writes the rest. What cannot be written is dropped, and logged."""

    def __init__(self, write: Write, *, interval: float = INTERVAL_SECONDS) -> None:
        self._write = write
        self._interval = interval
        self._times: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def mark(self, key: str, at: datetime) -> None:
        self._times[key] = at
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_later())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._flush()
        except TimeoutError:
            _log.warning("the last use of API keys was not written", cause="the database does not answer")

    async def _write_later(self) -> None:
        await asyncio.sleep(self._interval)
        await self._flush()

    async def _flush(self) -> None:
        times, self._times = self._times, {}
        if not times:
            return
        try:
            await self._write(times)
        except DatabaseError as error:
            _log.warning("the last use of API keys was not written", cause=str(error))
