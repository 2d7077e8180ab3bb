"""The work queue: one runner per key, several keys at once, and no key forgotten.

A key that is added while it runs is run once more. A failure waits for its backoff, which a new generation ends.
Deletes go first.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from analytics_operator.errors import Conflict, LeaseLost, NotFound, OperatorError
from analytics_operator.kube.objects import Key

log = structlog.get_logger(__name__)

MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
MAX_CONFLICT_BACKOFF_SECONDS = 5.0
"""Shorter: no event tells when others finish what they are about, as garbage collection."""
MAX_RETRY_AFTER_SECONDS = 60.0
"""Bounds what the API server asks for: the cause of its answer may be cured long before."""
JITTER = 0.1
"""Share of every planned wait: a thousand resources must not come back in the same second."""

Reconcile = Callable[[Key], Awaitable[timedelta | None]]
OnDone = Callable[[float, str], None]
"""Called after every run with its seconds and outcome."""


@dataclass
class _Entry:
    """One key. It is due (`since`), runs, or waits for its timer; due and running at once only when added in a run."""

    generation: int | None = None
    failures: int = 0
    since: float | None = None
    """Time at which the key became due; None while it is not."""
    running: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class WorkQueue:
    """Keys that wait, and the workers that run them."""

    def __init__(self, reconcile: Reconcile, *, on_done: OnDone) -> None:
        self._reconcile = reconcile
        self._on_done = on_done
        self._entries: dict[Key, _Entry] = {}
        self._due: deque[Key] = deque()
        self._wake = asyncio.Condition()

    @property
    def depth(self) -> int:
        return len(self._due)

    @property
    def oldest(self) -> float:
        """Seconds that the longest waiting key has waited."""
        waiting = [entry.since for entry in self._entries.values() if entry.since is not None]
        return time.monotonic() - min(waiting) if waiting else 0.0

    async def add(self, key: Key, *, generation: int | None = None, first: bool = False) -> None:
        """Makes the key due now; during a backoff only a new generation or `first` does."""
        entry = self._entries.setdefault(key, _Entry())
        if generation is not None and generation != entry.generation:
            entry.generation, entry.failures = generation, 0
        elif entry.failures and not first:
            return  # the timer of its backoff runs: events must not turn it into a busy loop
        self._make_due(key, entry, first=first)
        await self._notify()

    async def add_all(self) -> None:
        """Makes every key due that is known."""
        for key in tuple(self._entries):
            await self.add(key)

    async def work(self) -> None:
        """One worker: runs keys until it is cancelled."""
        while True:
            async with self._wake:
                await self._wake.wait_for(lambda: bool(self._due))
                key = self._due.popleft()
            await self._run_once(key)

    async def _run_once(self, key: Key) -> None:
        entry = self._entries[key]
        # Cleared before the run, so that an add during it is seen at its end: the run may have read the state before
        # whatever the add tells of.
        entry.running, entry.since = True, None
        start = time.monotonic()
        try:
            requeue_after, outcome = await self._reconcile(key), "success"
            entry.failures = 0
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: one resource's failure is never another's
            entry.failures += 1
            requeue_after, outcome = _backoff(entry.failures, error), type(error).__name__
            _report(key, entry.failures, error, requeue_after)
        finally:
            entry.running = False
        self._on_done(time.monotonic() - start, outcome)
        if entry.since is not None:  # it was added while it ran: that is the reason to run it once more
            self._due.append(key)
            await self._notify()
        elif requeue_after is None:  # the resource is gone
            del self._entries[key]
        else:
            self._later(key, entry, requeue_after.total_seconds() * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret

    def _make_due(self, key: Key, entry: _Entry, *, first: bool = False) -> None:
        if entry.timer:
            entry.timer.cancel()
            entry.timer = None
        if entry.since is not None:
            return  # it is in the queue, or will be when its run ends
        entry.since = time.monotonic()
        if entry.running:
            return  # run once more when this run ends
        if first:
            self._due.appendleft(key)
        else:
            self._due.append(key)

    def _later(self, key: Key, entry: _Entry, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        entry.timer = loop.call_later(seconds, lambda: loop.create_task(self._timer_fired(key)))

    async def _timer_fired(self, key: Key) -> None:
        entry = self._entries.get(key)
        if entry:
            self._make_due(key, entry)
            await self._notify()

    async def _notify(self) -> None:
        async with self._wake:
            self._wake.notify()  # one key, one worker


def _backoff(failures: int, error: Exception) -> timedelta:
    longest = MAX_CONFLICT_BACKOFF_SECONDS if isinstance(error, Conflict) else MAX_BACKOFF_SECONDS
    ours = min(MIN_BACKOFF_SECONDS * 2 ** min(failures - 1, 10), longest)
    theirs = getattr(error, "retry_after", None) or 0.0
    return timedelta(seconds=min(theirs, MAX_RETRY_AFTER_SECONDS) or ours)


def _report(key: Key, failures: int, error: Exception, wait: timedelta) -> None:
    if isinstance(error, Conflict | NotFound) and failures == 1:  # changed or deleted under our hands
        log.info("reconcile retried", resource=key.text, reason=str(error))
    elif isinstance(error, OperatorError):
        log.warning("reconcile failed", resource=key.text, error=str(error), retry_seconds=wait.total_seconds())
    else:
        log.error("reconcile failed", resource=key.text, retry_seconds=wait.total_seconds(), exc_info=error)
