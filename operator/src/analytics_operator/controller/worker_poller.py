"""Asks the workers of every resource how the store is: the only module that talks to pods.

Each resource has its turn every fifteen seconds, more of them as seldom as twenty a second allow; one whose workers are
silent keeps no other waiting.
What a pod answers is not trusted: it is bounded in time and size, and held to a model.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from pydantic import ValidationError

from analytics_operator.kube.objects import Key
from analytics_operator.state.worker import NOT_POLLED, Address, LastReport, WorkerReport

SECONDS_A_ROUND = 15.0
QUESTIONS_PER_SECOND = 20.0
SECONDS_TO_ANSWER = 2.0
MOST_BYTES = 65_536
MOST_AT_ONCE = 64
MOST_WORKERS = 8
"""Of one resource that are asked: it has five at most, and some that are being replaced."""
SECONDS_WITHOUT_A_LEADER = 60.0
"""For how long the last answer is believed: a worker that is replaced, or takes over, is no news."""


class Workers:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic, round_seconds: float = SECONDS_A_ROUND) -> None:
        self._clock = clock
        self._round = round_seconds
        self._addresses: dict[Key, tuple[Address, ...]] = {}
        self._reports: dict[Key, LastReport] = {}
        self._reported_at: dict[Key, float] = {}

    def saw(self, key: Key, addresses: tuple[Address, ...], *, told: bool) -> None:
        """`told`: a worker was heard of in the status, which is believed for as long as if it were an answer."""
        if told and key not in self._addresses:
            self._reported_at[key] = self._clock()
        self._addresses[key] = addresses

    def forget(self, key: Key) -> None:
        for known in (self._addresses, self._reports, self._reported_at):
            known.pop(key, None)

    def last_report(self, key: Key) -> LastReport:
        return self._reports.get(key, NOT_POLLED)

    async def watch(self, changed: Callable[[Key], Awaitable[None]]) -> None:
        """Tells of every resource of which something else is said than before; never returns."""
        timeout = aiohttp.ClientTimeout(total=SECONDS_TO_ANSWER)
        slots = asyncio.Semaphore(MOST_AT_ONCE)

        async def ask(key: Key) -> None:
            async with slots:
                news = await self._ask(session, key)
            if news:
                await changed(key)

        # What is compressed is not read: a few bytes of it may be many.
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False, auto_decompress=False) as session:
            while True:
                keys = tuple(self._addresses)
                pause = max(self._round / max(len(keys), 1), 1 / QUESTIONS_PER_SECOND)
                async with asyncio.TaskGroup() as questions:
                    for key in keys:
                        await asyncio.sleep(pause)
                        questions.create_task(ask(key))
                if not keys:
                    await asyncio.sleep(pause)

    async def _ask(self, session: aiohttp.ClientSession, key: Key) -> bool:
        """Whether what matters moved. A leader that has not looked yet is no news either, for as long."""
        found = await _leader(session, self._addresses.get(key, ()))
        if key not in self._addresses:  # it went meanwhile
            return False
        before, now = self.last_report(key), self._clock()
        if found.report is not None and found.report.complete:
            self._reported_at[key] = now
        elif now < self._reported_at.get(key, -math.inf) + SECONDS_WITHOUT_A_LEADER:
            return False
        self._reports[key] = found
        return found.comparison_key != before.comparison_key


async def _leader(session: aiohttp.ClientSession, addresses: Sequence[Address]) -> LastReport:
    """What the one says that leads, else why nobody does."""
    problem = "no worker runs: see `kubectl get pods` for what keeps it"
    asked = addresses[:MOST_WORKERS]
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
            body = await answer.content.read(MOST_BYTES)
            while len(body) < MOST_BYTES and (more := await answer.content.read(MOST_BYTES - len(body))):
                body += more
            return WorkerReport.model_validate_json(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
        return None
