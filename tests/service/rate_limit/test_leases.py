"""Leased requests: never more than the limit in all, never much less, and few questions to Redis."""

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from analytics_service.cache.redis import Redis
from analytics_service.contract.limit import Limit
from analytics_service.contract.principal import Role
from analytics_service.rate_limit.gcra import MICROSECONDS, admit
from analytics_service.rate_limit.leases import LEASE_MICROSECONDS, Leases, max_lease
from analytics_service.rate_limit.limiter import Limiter
from tests.service.rate_limit.test_limits import a_principal
from tests.support.redis import RedisServer

KEY = ("acme", "ann", "viewer")
FAST = Limit(per_minute=6_000, burst=200)


def shared_grant(limit: Limit, ahead_until: int, *, wanted: int, now: int) -> tuple[int, int]:
    """What Redis grants, by the algorithm for one request repeated; and the new state."""
    granted = 0
    while granted < wanted:
        admission, ahead_until = admit(limit, ahead_until=ahead_until, now=now)
        if not admission.admitted:
            break
        granted += 1
    return granted, ahead_until


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 200_000)), min_size=50, max_size=400))
def test_replicas_together_admit_no_more_than_the_limit_and_lose_no_more_than_stated(
    steps: list[tuple[int, int]],
) -> None:
    replicas = [Leases(capacity=10) for _ in range(3)]
    ahead_until = admitted = refused = now = 0
    for replica, pause in steps:
        now += pause
        leases = replicas[replica]
        if leases.take(KEY, FAST, now=now) is not None:
            admitted += 1
            continue
        wanted = leases.next_size(KEY, FAST, now=now)
        assert 1 <= wanted <= max_lease(FAST)
        granted, ahead_until = shared_grant(FAST, ahead_until, wanted=wanted, now=now)
        if granted:
            leases.grant(KEY, granted=granted, ahead=max(ahead_until - now, 0), now=now)
            assert leases.take(KEY, FAST, now=now) is not None
            admitted += 1
        else:
            refused += 1
    seconds = now // MICROSECONDS
    assert admitted <= FAST.burst + now // FAST.interval + 1
    if refused:
        assert admitted >= FAST.burst - 3 * max_lease(FAST) * (seconds + 1)


def test_who_asks_seldom_leases_one_at_a_time() -> None:
    leases, now = Leases(capacity=10), 0
    for _ in range(20):
        assert leases.take(KEY, FAST, now=now) is None
        assert leases.next_size(KEY, FAST, now=now) == 1
        leases.grant(KEY, granted=1, ahead=0, now=now)
        assert leases.take(KEY, FAST, now=now) is not None
        now += 2 * LEASE_MICROSECONDS


def test_who_asks_often_leases_more_up_to_a_quarter_of_a_seconds_rate() -> None:
    leases, asked = Leases(capacity=10), []
    for now in range(0, 1_000_000, 1_000):
        if leases.take(KEY, FAST, now=now) is None:
            wanted = leases.next_size(KEY, FAST, now=now)
            asked.append(wanted)
            leases.grant(KEY, granted=wanted, ahead=0, now=now)
            assert leases.take(KEY, FAST, now=now) is not None
    assert asked[:3] == [1, 16, 25]
    assert set(asked[3:]) == {25}


def test_a_lease_that_was_used_slowly_grows_slowly() -> None:
    leases, asked = Leases(capacity=10), []
    for now in range(0, 4_000_000, 300_000):
        if leases.take(KEY, FAST, now=now) is None:
            wanted = leases.next_size(KEY, FAST, now=now)
            asked.append(wanted)
            leases.grant(KEY, granted=wanted, ahead=0, now=now)
            assert leases.take(KEY, FAST, now=now) is not None
    assert asked[:3] == [1, 2, 4]
    assert set(asked) <= {1, 2, 3, 4}


def test_a_lease_that_was_not_used_up_shrinks_to_what_was() -> None:
    leases = Leases(capacity=10)
    leases.grant(KEY, granted=20, ahead=0, now=0)
    for _ in range(5):
        assert leases.take(KEY, FAST, now=1) is not None
    assert leases.take(KEY, FAST, now=LEASE_MICROSECONDS) is None, "its time is over"
    assert leases.next_size(KEY, FAST, now=LEASE_MICROSECONDS) == 5


async def test_replicas_are_confined_by_redis_and_ask_it_seldom(redis: RedisServer) -> None:
    clients = [Redis(redis.url, timeout=10) for _ in range(3)]
    replicas = [Limiter(client, limits=dict.fromkeys(Role, FAST)) for client in clients]
    start = time.monotonic()
    admissions = [await replicas[number % 3].admit(a_principal()) for number in range(600)]
    elapsed = time.monotonic() - start
    admitted = sum(one.admitted for one in admissions)
    assert admitted <= FAST.burst + elapsed * FAST.per_minute / 60 + 1
    assert admitted >= FAST.burst - 3 * max_lease(FAST)
    assert all(a.remaining >= b.remaining for a, b in zip(admissions[:3], admissions[3:6], strict=True))
    scripts = redis.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    refused = 600 - admitted
    assert scripts - refused < admitted / 2
    for client in clients:
        await client.close()


async def test_commands_of_the_same_moment_travel_together(redis: RedisServer) -> None:
    client = Redis(redis.url, timeout=10)
    principals = [a_principal(subject=str(number)) for number in range(50)]
    limiter = Limiter(client, limits=dict.fromkeys(Role, FAST))
    await limiter.admit(principals[0])
    found = await asyncio.gather(*(limiter.admit(each) for each in principals))
    assert all(one.admitted for one in found)
    connections = redis.client.info("clients")["connected_clients"]
    assert connections <= 2, "one exchange, not fifty connections"
    await client.close()


async def test_who_ask_at_once_share_one_lease(redis: RedisServer) -> None:
    client = Redis(redis.url, timeout=10)
    limiter = Limiter(client, limits=dict.fromkeys(Role, FAST))
    began = time.monotonic()
    found = await asyncio.gather(*(limiter.admit(a_principal()) for _ in range(150)))
    assert all(one.admitted for one in found)
    remaining = {one.remaining for one in found}  # more where time passed between two leases, and never less
    assert remaining <= set(range(50, 200))
    assert len(remaining) > 100
    assert redis.client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 150 / max_lease(FAST) + 2
    refused = await asyncio.gather(*(limiter.admit(a_principal()) for _ in range(150)))
    refilled = (time.monotonic() - began) * FAST.per_minute / 60
    assert sum(one.admitted for one in refused) <= FAST.burst - 150 + refilled + 10
    assert all(one.retry_after > 0 for one in refused if not one.admitted)
    await client.close()


async def test_a_lease_is_asked_for_before_it_is_used_up(redis: RedisServer) -> None:
    client = Redis(redis.url, timeout=10)
    fast = Limit(per_minute=60_000, burst=100_000)
    limiter = Limiter(client, limits=dict.fromkeys(Role, fast))
    waited = 0
    for number in range(4_000):
        if limiter.take(a_principal()) is None:
            waited += 1
            await limiter.admit(a_principal())
        if number % 10 == 0:
            await asyncio.sleep(0.001)
    assert waited < 4_000 / max_lease(fast), "the leases alone are more"
    await client.close()
