"""WorkerPoller: asks the workers of every resource for their report. The only module that talks to pods.

Each resource has its turn every fifteen seconds, more of them as seldom as twenty a second allow; one whose workers are
silent keeps no other waiting.
The answer of a pod is not trusted: it is bounded in time and size, and held to a model.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from pydantic import ValidationError

from analytics_operator.kube.objects import Key
from analytics_operator.state.worker import NOT_POLLED, Address, LastReport, WorkerReport

ROUND_SECONDS = 15.0
MAX_POLLS_PER_SECOND = 20.0
ANSWER_TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 65_536
MAX_CONCURRENT_POLLS = 64
MAX_WORKERS = 8
"""Of one resource that are asked: it has five at most, and some that are being replaced."""
LEADER_TIMEOUT_SECONDS = 60.0
"""Time that the last report holds without a leader: a worker that is replaced, or takes over, is no change."""


class WorkerPoller:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic, round_seconds: float = ROUND_SECONDS) -> None:
        self._clock = clock
        self._round_seconds = round_seconds
        self._addresses: dict[Key, tuple[Address, ...]] = {}
        self._reports: dict[Key, LastReport] = {}
        self._reported_at: dict[Key, float] = {}

    def track(self, key: Key, addresses: tuple[Address, ...], *, reported: bool) -> None:
        """`reported`: the status holds an earlier report, which is believed for as long as if it had come now."""
        if reported and key not in self._addresses:
            self._reported_at[key] = self._clock()
        self._addresses[key] = addresses

    def forget(self, key: Key) -> None:
        for known in (self._addresses, self._reports, self._reported_at):
            known.pop(key, None)

    def last_report(self, key: Key) -> LastReport:
        return self._reports.get(key, NOT_POLLED)

    async def run(self, on_change: Callable[[Key], Awaitable[None]]) -> None:
        """Calls back for every resource whose report is another than before; never returns."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_SECONDS)
        slots = asyncio.Semaphore(MAX_CONCURRENT_POLLS)

        async def poll(key: Key) -> None:
            async with slots:
                changed = await self._poll(session, key)
            if changed:
                await on_change(key)

        # A compressed answer is not read: a few bytes of it may be many.
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session:
            while True:
                keys = tuple(self._addresses)
                pause = max(self._round_seconds / max(len(keys), 1), 1 / MAX_POLLS_PER_SECOND)
                async with asyncio.TaskGroup() as polls:
                    for key in keys:
                        await asyncio.sleep(pause)
                        polls.create_task(poll(key))
                if not keys:
                    await asyncio.sleep(pause)

    async def _poll(self, session: aiohttp.ClientSession, key: Key) -> bool:
        """Whether the report changed. A leader that has not looked yet is no change either, for as long."""
        found = await _leader(session, self._addresses.get(key, ()))
        if key not in self._addresses:  # it went meanwhile
            return False
        before, now = self.last_report(key), self._clock()
        if found.report is not None and found.report.complete:
            self._reported_at[key] = now
        elif now < self._reported_at.get(key, -math.inf) + LEADER_TIMEOUT_SECONDS:
            return False
        self._reports[key] = found
        return found.comparison_key != before.comparison_key


async def _leader(session: aiohttp.ClientSession, addresses: Sequence[Address]) -> LastReport:
    """The report of the worker that leads, else why none leads."""
    problem = "no worker runs: see `kubectl get pods` for what keeps it"
    asked = addresses[:MAX_WORKERS]
    reports = await asyncio.gather(*(_report(session, each.url) for each in asked))
    for address, report in zip(asked, reports, strict=True):
        if report is not None and report.role == "leader":
            return LastReport(report=report, settings=address.settings)
        if report is None:
            problem = f"worker {address.pod} gives no answer that can be read on port metrics"
        elif report.problem:
            problem = f"worker {address.pod} cannot work: {report.problem}"
        else:
            problem = "no worker leads"
    return LastReport(problem=problem)


async def _report(session: aiohttp.ClientSession, url: str) -> WorkerReport | None:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                return None
            body = await answer.content.read(MAX_ANSWER_BYTES)
            while len(body) < MAX_ANSWER_BYTES and (more := await answer.content.read(MAX_ANSWER_BYTES - len(body))):
                body += more
            return WorkerReport.model_validate_json(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
        return None
