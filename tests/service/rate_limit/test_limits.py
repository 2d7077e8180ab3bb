"""A principal has its rate and its burst, counted in Redis or here, and is told of both."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.cache.redis import Redis
from analytics_service.contract.limit import Limit
from analytics_service.contract.principal import Principal, Role
from analytics_service.rate_limit.gcra import MICROSECONDS, Admission, admit
from analytics_service.rate_limit.headers import headers
from analytics_service.rate_limit.limiter import Limiter
from tests.support.redis import RedisServer

SLOW = Limit(per_minute=60, burst=5)
LIMITS = dict.fromkeys(Role, SLOW)


def a_principal(subject: str = "ann", organisation: str = "acme", role: Role = Role.VIEWER) -> Principal:
    return Principal(
        subject=subject, organisation=organisation, projects=frozenset(), role=role, permissions=frozenset()
    )


class Clock:
    """Microseconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


async def test_the_burst_is_admitted_and_then_the_rate() -> None:
    clock = Clock()
    limiter = Limiter(None, limits=LIMITS, clock=clock)
    admissions = [await limiter.admit(a_principal()) for _ in range(6)]
    assert [one.admitted for one in admissions] == [True] * 5 + [False]
    assert [one.remaining for one in admissions] == [4, 3, 2, 1, 0, 0]
    assert admissions[5].retry_after == MICROSECONDS
    clock.now += MICROSECONDS
    assert (await limiter.admit(a_principal())).admitted
    assert not (await limiter.admit(a_principal())).admitted


async def test_principals_do_not_share_a_limit() -> None:
    limiter = Limiter(None, limits=LIMITS, clock=Clock())
    for _ in range(6):
        last = await limiter.admit(a_principal())
    assert not last.admitted
    for other in (a_principal(subject="bob"), a_principal(organisation="globex"), a_principal(role=Role.ADMIN)):
        assert (await limiter.admit(other)).admitted


async def test_who_asked_longest_ago_is_forgotten_first() -> None:
    limiter = Limiter(None, limits=LIMITS, clock=Clock(), capacity=2)
    for subject in "abcd":
        await limiter.admit(a_principal(subject=subject))
    assert len(limiter._ahead_until) == 2


@given(
    per_minute=st.integers(1, 10_000),
    burst=st.integers(1, 1000),
    steps=st.lists(st.integers(0, 5 * MICROSECONDS), min_size=1, max_size=100),
)
def test_no_window_admits_more_than_burst_and_rate(per_minute: int, burst: int, steps: list[int]) -> None:
    limit = Limit(per_minute=per_minute, burst=burst)
    now = ahead_until = admitted = 0
    for step in steps:
        now += step
        admission, ahead_until = admit(limit, ahead_until=ahead_until, now=now)
        admitted += admission.admitted
        assert 0 <= admission.remaining <= burst
        if not admission.admitted:
            again, _ = admit(limit, ahead_until=ahead_until, now=now + admission.retry_after)
            assert again.admitted
    assert admitted <= burst + now // limit.interval + 1


async def test_a_weight_is_the_whole_request_and_at_most_a_burst() -> None:
    clock = Clock()
    limiter = Limiter(None, limits=LIMITS, clock=clock)
    await limiter.admit(a_principal())
    rest = await limiter.weigh(a_principal(), 3)
    assert rest is not None
    assert (rest.admitted, rest.remaining) == (True, 2)
    assert await limiter.weigh(a_principal(), 1) is None
    await limiter.admit(a_principal())
    refused = await limiter.weigh(a_principal(), 3)
    assert refused is not None
    assert (refused.admitted, refused.retry_after) == (False, MICROSECONDS)
    clock.now += 10 * MICROSECONDS
    await limiter.admit(a_principal())
    heaviest = await limiter.weigh(a_principal(), 1000)
    assert heaviest is not None
    assert (heaviest.admitted, heaviest.remaining) == (True, 0)


async def test_redis_counts_weights_of_all_replicas(redis: RedisServer) -> None:
    one, other = Redis(redis.url), Redis(redis.url)
    replicas = [Limiter(one, limits=LIMITS), Limiter(other, limits=LIMITS)]
    await replicas[0].admit(a_principal())
    first = await replicas[0].weigh(a_principal(), 4)
    assert first is not None
    assert (bool(first.admitted), first.remaining) == (True, 1)
    assert (await replicas[1].admit(a_principal())).admitted
    refused = await replicas[1].weigh(a_principal(), 4)
    assert refused is not None
    assert not refused.admitted
    assert 2 * MICROSECONDS < refused.retry_after <= 3 * MICROSECONDS
    await one.close()
    await other.close()


async def test_redis_counts_for_all_replicas(redis: RedisServer) -> None:
    one, other = Redis(redis.url), Redis(redis.url)
    replicas = [Limiter(one, limits=LIMITS), Limiter(other, limits=LIMITS)]
    admissions = [await replicas[number % 2].admit(a_principal()) for number in range(8)]
    assert [bool(one.admitted) for one in admissions] == [True] * 5 + [False] * 3
    assert [one.remaining for one in admissions[:5]] == [4, 3, 2, 1, 0]
    assert all(0 < refused.retry_after <= MICROSECONDS for refused in admissions[5:])
    await one.close()
    await other.close()


async def test_redis_forgets_a_principal_that_rests(redis: RedisServer) -> None:
    shared = Redis(redis.url)
    await Limiter(shared, limits=dict.fromkeys(Role, Limit(per_minute=60_000, burst=10))).admit(a_principal())
    for _ in range(200):
        if redis.client.dbsize() == 0:
            break
        await asyncio.sleep(0.01)
    assert redis.client.dbsize() == 0
    await shared.close()


async def test_without_redis_the_process_counts_alone(redis: RedisServer) -> None:
    shared = Redis(redis.url)
    limiter = Limiter(shared, limits=LIMITS, clock=Clock())
    assert (await limiter.admit(a_principal())).remaining == 4
    redis.stop()
    assert [(await limiter.admit(a_principal())).admitted for _ in range(6)] == [True] * 5 + [False]
    await shared.close()


@pytest.mark.parametrize(
    ("wait", "said"), [pytest.param(1, "1", id="a moment"), pytest.param(2_500_000, "3", id="rounded up")]
)
def test_headers_say_when_to_come_again(wait: int, said: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    refused = Admission(admitted=False, limit=SLOW, remaining=0, reset=4_200_000, retry_after=wait)
    assert headers(refused, now) == {
        "RateLimit-Policy": '"principal";q=60;w=60',
        "RateLimit": '"principal";r=0;t=5',
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(now.timestamp()) + 5),
        "Retry-After": said,
    }
