"""What every scenario has at hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from rich.progress import Progress

from analytics_service.database.connect import SETTINGS
from bench.live.asking import Client, client
from bench.live.cpu import BENCH, CpuMeter
from bench.live.running import Live
from bench.live.samples import Sample
from bench.live.sampling import sampling
from bench.live.store import Store, open_store
from bench.live.writer import Writing
from bench.service.servers import Server

_POLL_SECONDS = 0.5
_OPEN_SECONDS = 60.0
"""For buckets that have not ended: they may stay stale until they have."""


@dataclass(frozen=True, kw_only=True)
class Run:
    live: Live
    client: Client
    store: Store
    watched: Store
    """The same by a second connection, for what samples while the first one works."""
    progress: Progress
    settle_seconds: float

    def meter(self, worker: Server) -> CpuMeter:
        processes = {"worker": worker.pid, "service": self.live.service.pid, "Redis": self.live.redis}
        return CpuMeter(self.watched.connection, processes)

    @asynccontextmanager
    async def sampled(self, worker: Server, organisations: list[str]) -> AsyncIterator[list[Sample]]:
        async with sampling(self.watched, self.meter(worker), worker, organisations) as samples:
            yield samples

    def writing(self, organisations: list[str], *, rows_a_second: float, rows_a_statement: int, first: int) -> Writing:
        return Writing(
            url=self.live.url,
            organisations=organisations,
            rows_a_second=rows_a_second,
            rows_a_statement=rows_a_statement,
            first=first,
        )

    def counter(self, what: str, total: int) -> Callable[[int], None]:
        """A bar of progress; call it with how much more is done."""
        task = self.progress.add_task(what, total=total)
        return lambda more: self.progress.advance(task, more)

    async def settled(self, what: str, organisations: list[str] | None = None) -> float:
        """Waits until no bucket that has ended is stale; returns the seconds. SystemExit when it takes too long."""
        seconds = await self._settled(what, organisations)
        if self.store.has_minutes:  # whose worker refreshes open buckets too, once they come to rest
            await self.rested(organisations, _OPEN_SECONDS)
        return seconds

    async def rested(self, organisations: list[str] | None, seconds: float) -> None:
        """Waits at most so long until nothing is stale: nothing at all where the log is of minutes."""
        until = time.monotonic() + seconds
        while True:
            log = await self.store.log_length(organisations)
            stale = any(log.entries.values()) if self.store.has_minutes else bool(log.ended)
            if not stale or time.monotonic() > until:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def legacy_settled(self) -> None:
        """Waits until no day of the rollups of the release before is to be filled: that costs more than a late row."""
        task, most = self.progress.add_task("rollups of the release before", total=None), 0
        while left := await self.store.legacy_days():
            most = max(most, left)
            self.progress.update(task, total=most, completed=most - left)
            await asyncio.sleep(_POLL_SECONDS)
        self.progress.update(task, total=max(most, 1), completed=max(most, 1))

    async def _settled(self, what: str, organisations: list[str] | None) -> float:
        task = self.progress.add_task(what, total=None)
        started, most = time.monotonic(), 0
        while left := (await self.store.log_length(organisations)).ended:
            most = max(most, left)
            self.progress.update(task, total=most, completed=most - left)
            if time.monotonic() > started + self.settle_seconds:
                raise SystemExit(f"{what}: {left} entries of the log are left after {self.settle_seconds:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)
        self.progress.update(task, total=max(most, 1), completed=max(most, 1))
        return time.monotonic() - started

    async def make_partitions(self) -> None:
        """For rows that arrive now."""
        now = datetime.now(UTC)
        await self.store.make_partitions(now - timedelta(days=1), now + timedelta(days=1))

    async def wait(self, what: str, seconds: float) -> None:
        """With a bar, so that nobody wonders."""
        for _ in self.progress.track(range(max(int(seconds), 1)), description=what):
            await asyncio.sleep(seconds / max(int(seconds), 1))


@asynccontextmanager
async def prepared(live: Live, progress: Progress, *, settle_seconds: float) -> AsyncIterator[Run]:
    async with client(live) as asking, _connected(live.url) as first, _connected(live.url) as second:
        yield Run(
            live=live,
            client=asking,
            store=await open_store(first),
            watched=await open_store(second),
            progress=progress,
            settle_seconds=settle_seconds,
        )


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, server_settings=SETTINGS | {"application_name": BENCH})
    try:
        yield connection
    finally:
        await connection.close()
