"""While Redis fails over, answers are right and none is an error; soon after, cache and limits are shared again."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from analytics_service.cache.redis import Redis, RedisUnavailable, Script
from analytics_service.rate_limit.gcra import LUA
from tests.support.eventually import eventually
from tests.support.redis import RedisServer
from tests.support.redis_sentinel import SERVICE, watched_redis
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

ROWS = 5
EXPECTED = [{"trace_id": f"trace-{number:05}"} for number in reversed(range(ROWS))]
BACK_SECONDS = 15
"""From a promotion until cache and limits are shared again."""


@dataclass
class Load:
    """Asks different questions by different principals, all of whose answers are EXPECTED."""

    client: Client
    answers: int = 0
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def ask(self) -> None:
        number = next(self.numbers)
        token = a_token(sub=f"principal {number % 50}")
        start = T0 - timedelta(seconds=number)
        answer = await self.client.get("/api/v1/traces", token=token, from_=start, to=T0 + HOUR, fields="trace_id")
        assert answer.data == EXPECTED
        assert "X-RateLimit-Remaining" in answer.headers
        self.answers += 1

    async def run(self) -> None:
        while True:
            await self.ask()


@contextlib.asynccontextmanager
async def loaded(database_url: str, url: str) -> AsyncIterator[Load]:
    """A service under load while the block runs; what fails under it fails the test."""
    await insert(database_url, [a_row(number) for number in range(ROWS)])
    async with a_service(database_url, REDIS_URL=url) as client:
        load = Load(client)
        await load.ask()
        tasks = [asyncio.create_task(load.run()) for _ in range(3)]
        yield load
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in ended if not isinstance(each, asyncio.CancelledError)] == []


async def shares_answers(database_url: str, url: str, load: Load) -> bool:
    """Whether another service gets what this one computed."""
    await load.ask()
    number = next(load.numbers)
    params: dict[str, Any] = {"from_": T0 - timedelta(seconds=number), "to": T0 + HOUR}
    await load.client.get("/api/v1/traces", **params)
    await load.client.request("GET", "/health")
    async with a_service(database_url, REDIS_URL=url) as other:
        await other.get("/api/v1/traces", **params)
        return await other.metric("cache_hits_total", tier="redis") == 1


def scripts(server: RedisServer) -> int:
    """How often limits were counted there."""
    with server.client as client:
        stats = client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def assert_back(load: Load, database_url: str, url: str, promoted: RedisServer) -> None:
    """Soon after the promotion limits are counted there and answers are shared, and no question failed meanwhile."""
    before, answers = scripts(promoted), load.answers

    async def back() -> bool:
        up = await load.client.metric("analytics_redis_up") == 1
        return up and scripts(promoted) > before and await shares_answers(database_url, url, load)

    await eventually(back, seconds=BACK_SECONDS)
    assert load.answers > answers
    health = (await load.client.request("GET", "/health")).json
    assert (health["status"], health["redis"]) == ("healthy", "healthy")


async def test_sentinels_promote_a_replica_under_load(database_url: str, tmp_path: Path) -> None:
    with watched_redis(tmp_path) as watched:
        old, new = watched.servers
        async with loaded(database_url, watched.url) as load:
            await eventually(lambda: load.client.metric("cache_misses_total"))
            assert await load.client.metric("analytics_redis_up") == 1
            assert scripts(old) > 0
            old.stop()

            async def promoted() -> bool:
                return watched.elected() == new.port

            await eventually(promoted)
            await assert_back(load, database_url, watched.url, new)


async def test_a_demoted_primary_is_left_though_it_answers_and_a_sentinel_is_silent(tmp_path: Path) -> None:
    with watched_redis(tmp_path) as watched:
        old, new = watched.servers
        watched.sentinels[0].pause()
        shared = Redis(watched.url)
        assert await shared.ping()
        await shared.run(Script(LUA), "k", [1, 10, 1])
        assert (scripts(old), scripts(new)) == (1, 0)
        watched.sentinels[1].client.execute_command("SENTINEL FAILOVER", SERVICE)  # type: ignore[no-untyped-call]

        async def counted_by_the_new_one() -> bool:
            with contextlib.suppress(RedisUnavailable):
                await shared.run(Script(LUA), "k", [1, 10, 1])
            return scripts(new) > 0

        await eventually(counted_by_the_new_one)
        assert await shared.diagnose() is None
        await shared.close()
