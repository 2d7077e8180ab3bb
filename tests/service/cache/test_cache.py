"""The cache: bounded, never wrong, computed once, and no obstacle when its Redis is slow or gone."""

import asyncio
import gzip
import hashlib
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.cache.answers import MAX_SHARED_BYTES, AnswerCache, Tier, key
from analytics_service.cache.codings import MIN_GZIP_BYTES, Coding, accepted
from analytics_service.cache.memory import MIN_ENTRIES, OVERHEAD, ByteBoundedLru, Stored
from analytics_service.cache.redis import Redis, RedisUnavailable
from analytics_service.cache.single_flight import SingleFlight
from analytics_service.cache.versions import VersionCache
from analytics_service.contract.principal import Principal, Role
from analytics_service.rollups.versions import DayVersions, of_row
from analytics_service.units.freshness import FRESHNESS
from tests.support.redis import RedisServer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Computation:
    """Counts how often it was run, and answers with the count."""

    def __init__(self, body: bytes | None = None) -> None:
        self.body = body
        self.runs = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> bytes:
        self.runs += 1
        answer = self.body or b"answer %d" % self.runs
        await self.go.wait()
        return answer


def a_principal(organisation: str = "acme", *projects: str) -> Principal:
    return Principal(
        subject="ann",
        organisation=organisation,
        projects=frozenset(projects),
        role=Role.VIEWER,
        permissions=frozenset(),
    )


async def test_an_answer_is_computed_once_and_kept_for_its_time() -> None:
    clock, compute = Clock(), Computation()
    answers = AnswerCache(None, clock=clock)
    first = await answers.get_or("k", compute, seconds=10)
    assert (first.stored.body, first.tier) == (b"answer 1", Tier.NONE)
    assert (await answers.get_or("k", compute, seconds=10)).tier is Tier.MEMORY
    clock.now += 10
    assert (await answers.get_or("k", compute, seconds=10)).stored.body == b"answer 2"


async def test_who_asks_meanwhile_waits_for_the_same_computation() -> None:
    compute, answers = Computation(), AnswerCache(None)
    compute.go.clear()
    waiting = [asyncio.create_task(answers.get_or("k", compute, seconds=10)) for _ in range(20)]
    await asyncio.sleep(0)
    compute.go.set()
    found = await asyncio.gather(*waiting)
    assert compute.runs == 1
    assert [one.shared for one in found].count(False) == 1


async def test_a_client_that_leaves_does_not_end_what_another_waits_for() -> None:
    compute, flights = Computation(), SingleFlight[bytes]()
    compute.go.clear()
    leaves, stays = (asyncio.create_task(flights.join("k", compute)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait({leaves})
    compute.go.set()
    assert await stays == (b"answer 1", False)


async def test_when_all_have_left_the_computation_ends_and_the_next_one_starts_anew() -> None:
    compute, flights = Computation(), SingleFlight[bytes]()
    compute.go.clear()
    leaves = asyncio.create_task(flights.join("k", compute))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait({leaves})
    compute.go.set()
    assert await flights.join("k", compute) == (b"answer 2", True)


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    async def fail() -> bytes:
        await asyncio.sleep(0)
        raise RuntimeError("no")

    answers = AnswerCache(None)
    found = await asyncio.gather(*(answers.get_or("k", fail, seconds=9) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [RuntimeError] * 3
    assert (await answers.get_or("k", Computation(), seconds=9)).stored.body == b"answer 1"


def an_answer(size: int) -> Stored:
    return Stored(tag="", body=b"x" * size, coding=Coding.IDENTITY)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 500)), max_size=60),
    most=st.integers(OVERHEAD, 5000),
)
def test_memory_never_holds_more_than_its_bound(sizes: list[tuple[int, int]], most: int) -> None:
    memory: ByteBoundedLru[str, Stored] = ByteBoundedLru(max_bytes=most)
    for name, size in sizes:
        memory.put(str(name), an_answer(size), until=1)
        assert memory.size == sum(len(one.body) + OVERHEAD for _, one in memory._entries.values()) <= most
        assert (memory.get(str(name), 0) is None) == (size + OVERHEAD > most // MIN_ENTRIES)


def test_the_least_recently_used_goes_first() -> None:
    memory: ByteBoundedLru[str, Stored] = ByteBoundedLru(max_bytes=MIN_ENTRIES * (OVERHEAD + 10))
    names = [str(number) for number in range(MIN_ENTRIES + 1)]
    for name in names[:-1]:
        memory.put(name, an_answer(10), until=9)
    memory.get("0", 1)
    memory.put(names[-1], an_answer(10), until=9)
    assert [name for name in names if memory.get(name, 1) is None] == ["1"]


_NAMES = st.text(max_size=3)


@given(
    one=st.tuples(_NAMES, _NAMES, st.frozensets(_NAMES, max_size=2), st.binary(max_size=3), _NAMES),
    other=st.tuples(_NAMES, _NAMES, st.frozensets(_NAMES, max_size=2), st.binary(max_size=3), _NAMES),
)
def test_two_questions_share_a_key_only_when_they_are_one(
    one: tuple[str, str, frozenset[str], bytes, str], other: tuple[str, str, frozenset[str], bytes, str]
) -> None:
    keys = [
        key(a_principal(organisation, *projects), path, identity, version)
        for path, organisation, projects, identity, version in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)


async def test_replicas_share_answers_through_redis(redis: RedisServer) -> None:
    shared, compute = Redis(redis.url), Computation()
    assert (await AnswerCache(shared).get_or("k", compute, seconds=60)).tier is Tier.NONE
    found = await AnswerCache(shared).get_or("k", compute, seconds=60)
    assert (found.tier, found.stored.body) == (Tier.REDIS, b"answer 1")
    await shared.close()


async def test_what_redis_lost_or_cut_short_is_computed_again(redis: RedisServer) -> None:
    shared, compute = Redis(redis.url), Computation()
    await AnswerCache(shared).get_or("k", compute, seconds=60)
    await shared._servers.ask("k", "SETRANGE", "k", 34, "X")
    assert (await AnswerCache(shared).get_or("k", compute, seconds=60)).stored.body == b"answer 2"
    await shared._servers.ask("k", "FLUSHALL")
    assert (await AnswerCache(shared).get_or("k", compute, seconds=60)).stored.body == b"answer 3"
    await shared.close()


@pytest.mark.parametrize("first", Coding)
async def test_an_answer_is_computed_once_for_all_codings(redis: RedisServer, first: Coding) -> None:
    body = random.Random(1).randbytes(500) * 400
    shared, compute = Redis(redis.url), Computation(body)
    pods = AnswerCache(shared), AnswerCache(shared)
    for pod in pods:
        for coding in (first, *Coding):
            found = await pod.get_or("k", compute, seconds=60, coding=coding)
            assert found.stored.coding is coding
            assert (gzip.decompress(found.stored.body) if coding is Coding.GZIP else found.stored.body) == body
            assert found.stored.tag == hashlib.sha256(found.stored.body).hexdigest()[:32]
            assert (await pod.get_or("k", compute, seconds=60, coding=coding)).stored is found.stored
    assert compute.runs == 1
    await shared.close()


async def test_a_small_answer_stays_as_it_is() -> None:
    answers = AnswerCache(None)
    for size, expected in ((MIN_GZIP_BYTES - 1, Coding.IDENTITY), (MIN_GZIP_BYTES, Coding.GZIP)):
        found = await answers.get_or(str(size), Computation(b"x" * size), seconds=9, coding=Coding.GZIP)
        held = answers.in_memory(str(size), Coding.GZIP)
        assert held is not None
        assert held.stored is found.stored
        assert found.stored.coding is expected


async def test_a_large_answer_is_in_no_redis_and_opens_no_circuit(redis: RedisServer) -> None:
    shared = Redis(redis.url)
    for size in (MAX_SHARED_BYTES, MAX_SHARED_BYTES + 1):
        await AnswerCache(shared).get_or(str(size), Computation(b"x" * size), seconds=60)
    assert await shared.get(str(MAX_SHARED_BYTES)) is not None
    assert await shared.get(str(MAX_SHARED_BYTES + 1)) is None
    assert shared.available
    await shared.close()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *(("", Coding.IDENTITY), ("gzip", Coding.GZIP), ("br, GZip;q=0.5", Coding.GZIP), ("*", Coding.GZIP)),
        *(("gzip;q=0", Coding.IDENTITY), ("*;q=0, gzip", Coding.GZIP), ("identity, *;q=0", Coding.IDENTITY)),
        *(("deflate, br", Coding.IDENTITY), ("gzip;q=nonsense", Coding.IDENTITY), (";,;q", Coding.IDENTITY)),
        ("gzip; q = 0.001", Coding.GZIP),
    ],
)
def test_gzip_is_for_who_accepts_it(header: str, expected: Coding) -> None:
    assert accepted(header) is expected


async def test_a_redis_that_does_not_answer_costs_its_timeout_once(redis: RedisServer) -> None:
    shared = Redis(redis.url, timeout=0.05, circuit_open_seconds=3600)
    shared.put("k", b"v", seconds=9)
    redis.pause()
    with pytest.raises(RedisUnavailable, match=r"did not answer$"):
        await shared.get("k")
    for _ in range(100):  # not even tried
        with pytest.raises(RedisUnavailable, match="lately"):
            await shared.get("k")
    assert not shared.available
    await shared.close()


async def test_an_answer_that_came_too_late_is_nobody_elses(redis: RedisServer) -> None:
    shared = Redis(redis.url, timeout=0.2, circuit_open_seconds=0)
    for name in "ab":
        shared.put(name, name.encode(), seconds=60)
    assert await shared.ping()
    redis.pause()
    with pytest.raises(RedisUnavailable):
        await shared.get("a")
    redis.resume()
    patient = Redis(redis.url, timeout=20)
    assert await patient.ping()  # it has answered what waited
    await patient.close()
    assert await asyncio.gather(*(shared.get(name) for name in "bab")) == [b"b", b"a", b"b"]
    await shared.close()


async def test_many_commands_at_once_open_no_circuit(redis: RedisServer) -> None:
    shared = Redis(redis.url, timeout=20)
    for number in range(500):
        shared.put(str(number), b"v", seconds=60)
    assert await asyncio.gather(*(shared.get(str(number)) for number in range(500))) == [b"v"] * 500
    await shared.close()


async def test_redis_is_used_again_once_it_is_back(redis: RedisServer) -> None:
    shared = Redis(redis.url, timeout=1, circuit_open_seconds=0)
    shared.put("k", b"v", seconds=60)
    redis.stop()
    with pytest.raises(RedisUnavailable):
        await shared.get("k")
    redis.start()
    assert await shared.get("k") is None
    assert shared.available
    await shared.close()


async def test_versions_are_asked_for_at_most_once_a_second() -> None:
    clock, asked = Clock(), list[str]()

    async def ask(organisation: str) -> DayVersions:
        asked.append(organisation)
        await asyncio.sleep(0)
        return of_row([START.toordinal() - EPOCH], [len(asked)], "database")

    versions = VersionCache(ask, clock=clock, capacity=2)
    assert await asyncio.gather(*(versions.version("acme", START, END) for _ in range(3))) == ["database/1"] * 3
    assert await versions.version("acme", END, END + (END - START)) == "database/0", "no other range is asked for"
    assert await versions.version("globex", START, END) == "database/2"
    clock.now += FRESHNESS.version_seconds
    assert versions.known("acme", START, END) is None
    assert await versions.version("acme", START, END) == "database/3"
    await versions.renew("acme")
    assert await versions.version("acme", START, END) == "database/4"
    await versions.version("third", START, END)
    assert len(versions._known) == 2


async def test_an_older_version_never_takes_the_place_of_a_newer_one() -> None:
    clock, slow = Clock(), asyncio.Event()

    async def ask(_organisation: str) -> DayVersions:
        first = not slow.is_set() and clock.now == 1000.0
        if first:
            await slow.wait()
        return of_row([START.toordinal() - EPOCH], [1 if first else 2], "database")

    versions = VersionCache(ask, clock=clock)
    older = asyncio.create_task(versions.renew("acme"))
    await asyncio.sleep(0)
    clock.now += 0.5
    await versions.renew("acme")
    slow.set()
    await older
    assert await versions.version("acme", START, END) == "database/2"


async def test_a_computation_that_is_over_is_not_joined() -> None:
    flights: SingleFlight[int] = SingleFlight()
    numbers = iter((1, 2))

    async def compute() -> int:
        return next(numbers)

    first = asyncio.create_task(flights.join("key", compute))
    await asyncio.sleep(0)
    second = asyncio.create_task(flights.join("key", compute))  # runs in the turn in which the first computation ends
    assert await first == (1, True)
    assert await second == (2, True)
