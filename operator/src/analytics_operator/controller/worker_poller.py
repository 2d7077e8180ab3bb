"""WorkerPoller: asks the workers of every resource for their report, every fifteen seconds.

It also knows which resources share a server: a change of one is passed on to the others.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import aiohttp

from analytics_operator.controller.pod_client import ask, poll_in_turn
from analytics_operator.kube.objects import Key
from analytics_operator.state.addresses import Address
from analytics_operator.state.sharing import Peer, Share, peers_of
from analytics_operator.state.worker import NOT_POLLED, LastReport, WorkerReport

ROUND_SECONDS = 15.0
MAX_POLLS_PER_SECOND = 20.0
ANSWER_TIMEOUT_SECONDS = 2.0
MAX_WORKERS = 8
"""Of one resource that are asked: it has five at most, and some that are being replaced."""
LEADER_TIMEOUT_SECONDS = 60.0
"""Time that the last report holds without a leader: a worker that is replaced, or takes over, is no change."""


class WorkerPoller:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic, round_seconds: float = ROUND_SECONDS) -> None:
        self._clock = clock
        self._round_seconds = round_seconds
        self._settled_at = clock() + LEADER_TIMEOUT_SECONDS
        self._settled = False
        self._addresses: dict[Key, tuple[Address, ...]] = {}
        self._shares: dict[Key, Share] = {}
        self._reports: dict[Key, LastReport] = {}
        self._reported_at: dict[Key, float] = {}
        self._peers_changed: set[Key] = set()

    def track(self, key: Key, addresses: tuple[Address, ...], share: Share, *, reported: bool) -> None:
        """`reported`: the status holds an earlier report, which is believed for as long as if it had come now."""
        if reported and key not in self._addresses:
            self._reported_at[key] = self._clock()
        if share != self._shares.get(key):
            self._shares[key] = share
            self._change_peers(key)
        self._addresses[key] = addresses

    def forget(self, key: Key) -> None:
        self._change_peers(key)
        for known in (self._addresses, self._shares, self._reports, self._reported_at):
            known.pop(key, None)

    def last_report(self, key: Key) -> LastReport:
        return self._reports.get(key, NOT_POLLED)

    def peers(self, key: Key) -> tuple[Peer, ...] | None:
        """Other resources on the same server; None until all have had the time to be asked."""
        return peers_of(key, self._shares, self._reports) if self._settled else None

    async def run(self, on_change: Callable[[Key], Awaitable[None]]) -> None:
        """Calls back for every resource whose report, or whose peers', is another than before; never returns."""

        async def poll(session: aiohttp.ClientSession, key: Key) -> bool:
            changed = await self._poll(session, key)
            self._settle()
            while self._peers_changed:
                await on_change(self._peers_changed.pop())
            return changed

        await poll_in_turn(
            lambda: tuple(self._addresses),
            poll,
            on_change,
            round_seconds=self._round_seconds,
            max_per_second=MAX_POLLS_PER_SECOND,
            timeout_seconds=ANSWER_TIMEOUT_SECONDS,
        )

    async def _poll(self, session: aiohttp.ClientSession, key: Key) -> bool:
        """Whether the report changed. A leader that has not looked yet is no change either, for as long."""
        found = await _leader(session, self._addresses.get(key, ()))
        if key not in self._addresses:  # it went meanwhile
            return False
        before, now = self.last_report(key), self._clock()
        if found.report is not None and found.report.complete:
            self._reported_at[key] = now
        elif now < self._reported_at.get(key, -math.inf) + LEADER_TIMEOUT_SECONDS:
            if found.store not in {None, before.store}:  # it is known of a standby too
                self._reports[key] = replace(before, store=found.store)
                self._change_peers(key)
            return False
        found = replace(found, store=found.store or before.store)
        changed = found.comparison_key != before.comparison_key
        if changed:
            self._change_peers(key)  # those of before, where the resource has moved to another server
        self._reports[key] = found
        if changed:
            self._change_peers(key)
        return changed

    def _settle(self) -> None:
        if not self._settled and self._clock() >= self._settled_at:
            self._settled = True
            for key in self._reports:
                self._change_peers(key)

    def _change_peers(self, key: Key) -> None:
        self._peers_changed |= {peer.key for peer in peers_of(key, self._shares, self._reports)}


async def _leader(session: aiohttp.ClientSession, addresses: Sequence[Address]) -> LastReport:
    """The report of the worker that leads, else why none leads."""
    problem = "no worker runs: see `kubectl get pods` for what keeps it"
    asked = addresses[:MAX_WORKERS]
    reports = await asyncio.gather(*(ask(session, each.url, WorkerReport) for each in asked))
    store = next((report.store for report in reports if report is not None and report.store is not None), None)
    for address, report in zip(asked, reports, strict=True):
        if report is not None and report.role == "leader":
            return LastReport(report=report, settings=address.settings, store=report.store)
        if report is None:
            problem = f"worker {address.pod} gives no answer that can be read on port metrics"
        elif report.problem:
            problem = f"worker {address.pod} cannot work: {report.problem}"
        else:
            problem = "no worker leads"
    return LastReport(problem=problem, store=store)
