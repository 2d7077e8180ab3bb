"""Reads keys from the store: all that wait together in one statement, and one statement at a time.

So whoever sends wrong keys, however many and however different, keeps at most one connection busy.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from analytics_service.database.api_keys import ApiKey
from analytics_service.errors import DatabaseBusy, DatabaseError

LookUp: TypeAlias = Callable[[Sequence[bytes]], Awaitable[Mapping[bytes, ApiKey]]]
"""The keys of these hashes, as far as there are any; DatabaseError where the store does not say."""
LOOK_UP_SECONDS: Final = 2.0
"""A look-up that takes longer fails, and does so later: to give up a server that says nothing takes seconds, too."""
MAX_BATCH: Final = 500
MAX_WAITING: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the store had for a hash."""

    key: ApiKey | None
    read_at: float
    """By the reader's clock; no later than the moment that the statement saw."""


class KeyReader:
    """Must be closed. `failed_at` is when the store did not answer, None once it has again."""

    def __init__(self, look_up: LookUp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._clock = clock
        self._waiting: dict[bytes, asyncio.Future[Reading]] = {}
        self._task: asyncio.Task[None] | None = None
        self.failed_at: float | None = None
        self._started_at: float | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the store has not answered for longer than it may take."""
        return self._started_at is not None and self._clock() - self._started_at >= LOOK_UP_SECONDS

    def start(self, digest: bytes) -> asyncio.Future[Reading]:
        """Begins to read what the store has now, or a moment after; DatabaseBusy where too many wait already.

        The future, which is shared, fails with DatabaseError where the store does not say.
        """
        future = self._waiting.get(digest)
        if future is None:
            if len(self._waiting) >= MAX_WAITING:
                raise DatabaseBusy(f"{len(self._waiting)} API keys wait to be looked up already")
            future = self._waiting[digest] = asyncio.get_running_loop().create_future()
            future.add_done_callback(_retrieved)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return future

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while self._waiting:
            batch = {digest: self._waiting.pop(digest) for digest in list(islice(self._waiting, MAX_BATCH))}
            read_at = self._started_at = self._clock()
            try:
                found = await self._look_up(list(batch))
            except BaseException as error:
                self.failed_at = self._clock()
                for future in batch.values():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
                if not isinstance(error, DatabaseError):
                    raise
            else:
                self.failed_at = None
                for digest, future in batch.items():
                    future.set_result(Reading(key=found.get(digest), read_at=read_at))
            finally:
                self._started_at = None


def _retrieved(future: "asyncio.Future[Reading]") -> None:
    """Of a read that nobody waits for any more the failure is no defect."""
    if not future.cancelled():
        future.exception()
