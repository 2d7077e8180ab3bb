"""Under load answers are still given again: to clients that are quicker than the loop, and while they are made anew."""

import asyncio
import gc
from collections.abc import Callable

from analytics_service.cache.answers import Tier
from analytics_service.contract.principal import LIMITS, Role
from analytics_service.http.replay.handler import ReplayHandler
from analytics_service.http.replay.store import ReplayStore, StoredResponse, _key
from analytics_service.rate_limit.gcra import Admission, admission
from analytics_service.telemetry.metrics import Metrics
from analytics_service.units.freshness import FRESHNESS
from tests.service.cache.test_cache import Clock
from tests.service.http.test_replay import Wire, ask_twice, client, given_again, request, wire  # noqa: F401 - a fixture
from tests.support.service import Client

RAW = request()


def an_admission() -> Admission:
    return admission(LIMITS[Role.VIEWER], ahead=0, wait=0)


def kept(clock: Clock, *, counted: Callable[[float, str], None]) -> ReplayStore:
    """An answer that is fresh for a second and stale for another."""
    replays = ReplayStore(Metrics(), lambda: False, clock=clock)
    replay = StoredResponse(
        head="HTTP/1.1 200 OK\r\n",
        body=b"{}",
        route="/",
        status=200,
        admit=an_admission,
        count=counted,
        fresh_until=clock.now + 1,
    )
    replays._stored.put(_key(RAW), replay, until=clock.now + 2)
    return replays


def test_while_it_is_stale_one_request_in_a_while_is_read_and_the_others_do_not_wait() -> None:
    clock, tiers = Clock(), list[str]()
    replays = kept(clock, counted=lambda _seconds, tier: tiers.append(tier))
    assert b"Cache-Status: analytics; hit; detail=memory\r\n" in (replays.response(RAW) or b"")
    clock.now += 1
    assert replays.response(RAW) is None, "it is read, and made anew"
    for _ in range(3):
        assert b"Cache-Status: analytics; hit; ttl=-1; detail=stale\r\n" in (replays.response(RAW) or b"")
    clock.now += FRESHNESS.stale_probe_seconds
    assert replays.response(RAW) is None
    assert replays.response(RAW) is not None
    clock.now += 1 - FRESHNESS.stale_probe_seconds
    assert replays.response(RAW) is None
    assert replays.response(RAW) is None, "its time is over for all"
    assert tiers == [Tier.MEMORY, *[Tier.STALE] * 4]


async def test_a_client_that_asks_before_the_server_waits_is_answered_at_once(client: Client) -> None:  # noqa: F811
    async with wire(client) as connection:
        for _ in range(10):  # the stored answer may end between two requests, and the next is read then
            await ask_twice(connection, RAW)
            if await _asked_before_it_waits(connection):
                return
    raise AssertionError("every one of ten was read")


async def _asked_before_it_waits(connection: Wire) -> bool:
    """Whether the answer to a request was given again that came in the turn of the loop after an answer went out."""
    (handler,) = _handlers()
    waiter, handler._waiter = handler._waiter, None
    handler.data_received(RAW)
    handler._waiter = waiter
    if handler._messages and waiter is not None:
        waiter.set_result(None)  # the parser would have, had it seen that the server waits
    _, headers, _ = await connection.answer()
    return given_again(headers)


def _handlers() -> list[ReplayHandler]:
    """Of connections that are open."""
    found = [each for each in gc.get_objects() if isinstance(each, ReplayHandler)]
    return [each for each in found if each.transport is not None]


async def test_many_connections_at_once_are_answered_in_order(client: Client) -> None:  # noqa: F811
    raws = [request(f"/api/v1/traces?from=2024-03-04T12:00:00Z&to=2024-03-04T13:00:00Z&limit={n}") for n in range(1, 4)]

    async def ask(number: int) -> int:
        replayed = 0
        async with wire(client) as connection:
            expected = [(await connection.ask(raw))[2] for raw in raws]
            for turn in range(40):
                which = (number + turn) % 3
                _, headers, body = await connection.ask(raws[which])
                assert body == expected[which]
                replayed += given_again(headers)
        return replayed

    replayed = await asyncio.gather(*(ask(number) for number in range(24)))
    assert sum(replayed) > 24 * 40 * 0.8
