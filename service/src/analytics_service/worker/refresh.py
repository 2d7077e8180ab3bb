"""The worker's job that refreshes rollups: several organisations at once, a step of each in turn, for a bounded time.

A step is one transaction of one organisation, so one with a burst makes no other late. Only the clock of the database
says what is due.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import asyncpg
import structlog

from analytics_service.database.connect import Session
from analytics_service.database.failures import FAILURES
from analytics_service.rollups.hierarchy.backlog import Backlog, Due, backlog
from analytics_service.rollups.hierarchy.refresh import MAX_WAIT, QUIET, SETTLING, Refresher, Schedule
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import Stage
from analytics_service.worker.sessions import Sessions

MAX_TURN: Final = timedelta(seconds=20)
"""After which other jobs have their turn, once the steps that run are done."""
_LOCK_TIMEOUT: Final = "SET lock_timeout = '2s'"
"""Who holds a lock for longer makes its organisation wait, and not a connection."""
_RESET_LOCK_TIMEOUT: Final = "RESET lock_timeout"
_WAIT_SECONDS: Final = 1.0
"""For a step of others, before the backlog is read again."""
_BUSY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_NONE: Final = timedelta(0)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_STAGES: Final = tuple(Stage)
_Key: TypeAlias = tuple[str, Stage | None, datetime]

_log = structlog.get_logger(__name__)


@dataclass
class _Run:
    """One run of the job: what it did, and whose turn it is."""

    end: float
    buckets: int = 0
    entries: int = 0
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    queue: deque[Due] = field(default_factory=deque)
    last: dict[str, int] = field(default_factory=dict)
    """The position of the step that an organisation had last: it goes on with the next one."""
    running: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    """Organisations that are locked, or whose step failed or had nothing to do: they wait for the next run."""
    failures: list[BaseException] = field(default_factory=list)
    until: datetime = _NEVER
    """What ended by then was due when the backlog was read last."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Refresh:
    """Keeps rollups equal to raw; queries read what is not from finer rollups and from raw."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        quiet: timedelta = QUIET,
        max_wait: timedelta = MAX_WAIT,
        settling: timedelta = SETTLING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._quiet = quiet
        self._max_wait = max_wait
        self._settling = settling
        self._clock = clock
        self._due_since: dict[_Key, datetime] = {}

    async def __call__(self, connection: Session) -> dict[str, Any]:
        """The numbers of `buckets` and `entries` that were refreshed, and `refresh_seconds` by stage; of what still
        waits `log_entries` and `organisations`, and seconds.

        `lag_seconds` is the longest wait, `late_seconds` the longest beyond what it waits on purpose, and
        `watermark_lag_seconds` says of each level how far back the first bucket lies that has ended and waits.
        The first failure is raised once the other organisations had their turn.
        """
        run = _Run(end=self._clock() + MAX_TURN.total_seconds())
        members = await self._sessions.beside(connection)
        tasks = [asyncio.create_task(self._serve(run, connection, member)) for member in members]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if run.failures:
            raise run.failures[0]
        return self._report(run, await self._look(run, connection))

    async def _serve(self, run: _Run, leader: Session, member: Session) -> None:
        """Takes the steps whose turn it is, until nothing is due or the job's time is over."""
        try:
            await member.execute(_LOCK_TIMEOUT)
            while not member.is_closed() and (due := await self._next(run, leader)) is not None:
                await self._step(run, member, due)
            await member.execute(_RESET_LOCK_TIMEOUT)
        except FAILURES:
            if member is leader or not member.is_closed():
                raise

    async def _next(self, run: _Run, leader: Session) -> Due | None:
        """The step that waits longest, of an organisation that has none under way."""
        async with run.asking:
            while self._clock() < run.end:
                if run.queue:
                    due = run.queue.popleft()
                    run.running.add(due.organisation)
                    return due
                run.done.clear()
                busy = set(run.running)  # what is read of them is old once their steps are done
                run.queue = self._queue(run, await self._look(run, leader), busy)
                if run.queue:
                    continue
                if not run.running:
                    return None
                with suppress(TimeoutError):
                    await asyncio.wait_for(run.done.wait(), _WAIT_SECONDS)
        return None

    async def _look(self, run: _Run, leader: Session) -> Backlog:
        seen = await backlog(leader, quiet=self._quiet, max_wait=self._max_wait, settling=self._settling)
        run.until = seen.now
        self._due_since = {_key(due): self._due_since.get(_key(due), seen.now) for due in seen.due}
        return seen

    def _queue(self, run: _Run, seen: Backlog, busy: set[str]) -> deque[Due]:
        """A step of each organisation, in the order in which they wait."""
        turns: dict[str, Due] = {}
        for due in seen.due:
            if due.organisation in run.running | run.skipped | busy:
                continue
            last, first = run.last.get(due.organisation, -1), turns.setdefault(due.organisation, due)
            if _position(first) <= last < _position(due):
                turns[due.organisation] = due
        return deque(sorted(turns.values(), key=self._since))

    def _since(self, due: Due) -> datetime:
        return due.moment if due.stage is None else self._due_since[_key(due)]

    async def _step(self, run: _Run, member: Session, due: Due) -> None:
        schedule = Schedule(until=run.until, quiet=self._quiet, max_wait=self._max_wait, settling=self._settling)
        started = time.perf_counter()
        run.last[due.organisation] = _position(due)
        try:
            done = await Refresher(member, due.organisation, schedule).step(due.stage)
        except _BUSY:
            run.skipped.add(due.organisation)
            _log.info("an organisation is locked", organisation=due.organisation)
        except FAILURES as error:
            run.skipped.add(due.organisation)
            if not member.is_closed():
                run.failures.append(error)
        else:
            run.buckets += done.buckets
            run.entries += done.entries
            if not done.buckets and not done.entries:
                run.skipped.add(due.organisation)
            self._due_since.pop(_key(due), None)
        finally:
            run.seconds[(due.stage or Step.MINUTE).value] += time.perf_counter() - started
            run.running.discard(due.organisation)
            run.done.set()

    def _report(self, run: _Run, seen: Backlog) -> dict[str, Any]:
        waits = [seen.now - self._since(due) for due in seen.due if due.stage is not None]
        return {
            "buckets": run.buckets,
            "entries": run.entries,
            "refresh_seconds": {level: round(seconds, 3) for level, seconds in run.seconds.items()},
            "log_entries": seen.log_entries,
            "organisations": len({due.organisation for due in seen.due}),
            "lag_seconds": max(seen.waits, *waits, _NONE).total_seconds(),
            "late_seconds": max(seen.waits - self._max_wait, *waits, _NONE).total_seconds(),
            "watermark_lag_seconds": dict(seen.lags),
        }


def _key(due: Due) -> _Key:
    return due.organisation, due.stage, due.moment


def _position(due: Due) -> int:
    return 0 if due.stage is None else 1 + _STAGES.index(due.stage)
