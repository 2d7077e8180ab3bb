"""Order, repetition and backoff of the queue."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from analytics_operator.controller.workqueue import WorkQueue
from analytics_operator.errors import Unavailable
from analytics_operator.kube.objects import Key

A, B = Key("ns", "a"), Key("ns", "b")


class Runs:
    """What was run, and what it gives."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.active: set[Key] = set()
        self.hold = asyncio.Event()
        self.hold.set()
        self.failures = 0
        self.outcomes: list[str] = []
        self.gone: set[Key] = set()

    async def __call__(self, key: Key) -> timedelta | None:
        assert key not in self.active, "two runners of one key"
        self.active.add(key)
        self.keys.append(key)
        try:
            await self.hold.wait()
            if self.failures:
                self.failures -= 1
                raise Unavailable("for a while", retry_after=0.01)
            return None if key in self.gone else timedelta(hours=1)
        finally:
            self.active.discard(key)

    def done(self, _seconds: float, outcome: str) -> None:
        self.outcomes.append(outcome)

    async def until(self, count: int) -> None:
        await passes(lambda: len(self.outcomes) >= count)


async def passes(check: Callable[[], bool]) -> None:
    """Returns when it is so."""
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 - what is looked at signals nothing
            await asyncio.sleep(0.001)


@asynccontextmanager
async def working(runs: Runs, *, workers: int = 4) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(runs, on_done=runs.done)
    tasks = [asyncio.create_task(queue.work()) for _ in range(workers)]
    try:
        yield queue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_key_that_changes_while_it_runs_runs_once_more() -> None:
    runs = Runs()
    runs.hold.clear()
    async with working(runs) as queue:
        await queue.add(A)
        await passes(lambda: bool(runs.active))
        for _ in range(5):
            await queue.add(A)
        runs.hold.set()
        await runs.until(2)
    assert runs.keys == [A, A]


async def test_different_keys_run_at_the_same_time() -> None:
    runs = Runs()
    runs.hold.clear()
    async with working(runs) as queue:
        await queue.add(A)
        await queue.add(B)
        await passes(lambda: runs.active == {A, B})
        runs.hold.set()
        await runs.until(2)


async def test_deletes_go_first() -> None:
    runs = Runs()
    queue = WorkQueue(runs, on_done=runs.done)
    await queue.add(A)
    await queue.add(B, first=True)
    assert queue.depth == 2
    worker = asyncio.create_task(queue.work())
    await runs.until(2)
    worker.cancel()
    assert runs.keys == [B, A]


async def test_a_failure_is_tried_again_by_itself() -> None:
    runs = Runs()
    runs.failures = 2
    async with working(runs) as queue:
        await queue.add(A)
        await runs.until(3)
    assert runs.keys == [A, A, A]


async def test_events_do_not_shorten_a_backoff_but_a_new_generation_does() -> None:
    runs = Runs()
    runs.failures = 1

    async def fails_for_long(key: Key) -> timedelta | None:
        try:
            return await runs(key)
        except Unavailable as error:
            raise Unavailable(str(error), retry_after=3600) from error

    queue = WorkQueue(fails_for_long, on_done=runs.done)
    worker = asyncio.create_task(queue.work())
    await queue.add(A, generation=1)
    await runs.until(1)
    await queue.add(A)
    await queue.add(A, generation=1)
    assert queue.depth == 0
    await queue.add(A, generation=2)
    await runs.until(2)
    worker.cancel()
    assert runs.outcomes == ["Unavailable", "success"]


async def test_a_key_that_is_gone_is_forgotten() -> None:
    runs = Runs()
    runs.gone.add(A)
    async with working(runs) as queue:
        await queue.add(A)
        await runs.until(1)
        assert queue.oldest == 0.0
        await queue.add(A, generation=1)
        await runs.until(2)
