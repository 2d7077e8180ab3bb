"""HealthPoller: asks the API's pods of every resource whether they reach the store and the cache.

One pod a round is asked, each in its turn, and the others where that one does not reach both: what one of them reaches
is there. Two rounds have to agree that none does, so that a restart within seconds is no outage.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp

from analytics_operator.controller.pod_client import ask, poll_in_turn
from analytics_operator.kube.objects import Key
from analytics_operator.state.addresses import Address
from analytics_operator.state.health import ALL_REACHED, NO_PODS, NOT_POLLED, HealthReport, LastHealth, Reach

ROUND_SECONDS = 3.0
MAX_POLLS_PER_SECOND = 50.0
"""Up to 150 resources are asked every ROUND_SECONDS, and an outage is in their status within 15 seconds."""
ANSWER_TIMEOUT_SECONDS = 4.0
"""A pod itself waits for the store for two seconds."""
MAX_PODS = 8
"""Of one resource that are asked in a round."""
MISSED_ROUNDS = 2
STATUSES = frozenset({200, 503})


@dataclass
class _Tracked:
    """One resource."""

    health: LastHealth
    addresses: tuple[Address, ...] = ()
    turn: int = 0
    database_misses: int = 0
    cache_misses: int = 0


class HealthPoller:
    def __init__(self, *, round_seconds: float = ROUND_SECONDS) -> None:
        self._round_seconds = round_seconds
        self._tracked: dict[Key, _Tracked] = {}

    def track(self, key: Key, addresses: tuple[Address, ...], *, missed: bool) -> None:
        """`missed`: the status says that something is not reached, which is believed until pods have answered."""
        tracked = self._tracked.setdefault(key, _Tracked(health=NOT_POLLED if missed else ALL_REACHED))
        tracked.addresses = addresses

    def forget(self, key: Key) -> None:
        self._tracked.pop(key, None)

    def last_health(self, key: Key) -> LastHealth:
        return self._tracked[key].health if key in self._tracked else NOT_POLLED

    async def run(self, on_change: Callable[[Key], Awaitable[None]]) -> None:
        """Calls back for every resource whose health is another than before; never returns."""
        await poll_in_turn(
            lambda: tuple(self._tracked),
            self._poll,
            on_change,
            round_seconds=self._round_seconds,
            max_per_second=MAX_POLLS_PER_SECOND,
            timeout_seconds=ANSWER_TIMEOUT_SECONDS,
        )

    async def _poll(self, session: aiohttp.ClientSession, key: Key) -> bool:
        tracked = self._tracked.get(key)
        if tracked is None:  # it went meanwhile
            return False
        before = tracked.health
        if tracked.addresses:
            tracked.turn += 1
            first = tracked.turn % len(tracked.addresses)
            in_turn = [*tracked.addresses[first:], *tracked.addresses[:first]][:MAX_PODS]
            missed = tracked.database_misses > 0 or tracked.cache_misses > 0
            reports = await _reports(session, in_turn, at_once=len(in_turn) if missed else 1)
            _judge(tracked, [report for report in reports if report is not None])
        else:
            tracked.health, tracked.database_misses, tracked.cache_misses = NO_PODS, 0, 0
        return tracked.health.comparison_key != before.comparison_key and key in self._tracked


async def _reports(
    session: aiohttp.ClientSession, addresses: Sequence[Address], *, at_once: int
) -> list[HealthReport | None]:
    """Of the first pods; of the others too, where those do not reach everything."""

    async def of(some: Sequence[Address]) -> list[HealthReport | None]:
        return await asyncio.gather(*(ask(session, each.url, HealthReport, statuses=STATUSES) for each in some))

    reports = await of(addresses[:at_once])
    if any(each is not None and each.database == "healthy" and each.redis != "unhealthy" for each in reports):
        return reports
    return [*reports, *await of(addresses[at_once:])]


def _judge(tracked: _Tracked, reports: Sequence[HealthReport]) -> None:
    """Takes a round into account."""
    database = any(report.database == "healthy" for report in reports)
    cache = any(report.redis != "unhealthy" for report in reports)
    tracked.database_misses = 0 if database else tracked.database_misses + 1
    tracked.cache_misses = 0 if cache else tracked.cache_misses + 1
    before, missed = tracked.health, Reach.UNREACHED if reports else Reach.UNKNOWN
    tracked.health = LastHealth(
        database=_reach(tracked.database_misses, before.database, missed),
        cache=_reach(tracked.cache_misses, before.cache, missed),
        detail="" if cache else next((report.detail for report in reports if report.detail), ""),
    )


def _reach(misses: int, before: Reach, missed: Reach) -> Reach:
    if misses == 0:
        return Reach.REACHED
    return missed if misses >= MISSED_ROUNDS else before
