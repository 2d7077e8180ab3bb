"""Whatever Redis does, answers are right and none is an error; while it is away it is asked once in a while."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from analytics_service.cache.redis import CIRCUIT_OPEN_SECONDS
from tests.support.redis import RedisServer
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

ASKED = 60


def full(redis: RedisServer) -> None:
    redis.client.config_set("maxmemory-policy", "noeviction")
    redis.client.config_set("maxmemory", "1")


def emptied(redis: RedisServer) -> None:
    redis.client.flushall()
    redis.client.script_flush()


def restarted(redis: RedisServer) -> None:
    redis.stop()
    redis.start()


def read_only(redis: RedisServer) -> None:
    redis.client.replicaof("127.0.0.1", "1")


def overwritten(redis: RedisServer) -> None:
    for number, key in enumerate(redis.client.keys("*")):
        redis.client.delete(key)
        if number % 2:
            redis.client.lpush(key, "a list")
        else:
            redis.client.set(key, b"x" * 50)


def locked(redis: RedisServer) -> None:
    with redis.client.client() as client:  # type: ignore[no-untyped-call]  # one connection, which stays
        client.config_set("requirepass", "another")
        client.client_kill_filter(_type="normal", skipme=True)


FAULTS: dict[str, Callable[[RedisServer], None]] = {
    "full": full,
    "emptied": emptied,
    "restarted": restarted,
    "read-only": read_only,
    "overwritten": overwritten,
    "locked": locked,
    "gone": RedisServer.stop,
    "silent": RedisServer.pause,
}


async def walk(client: Client) -> list[Any]:
    """The answers to questions that are all different, of whom every other one was asked before."""
    params: dict[str, Any] = {"from_": T0, "to": T0 + HOUR, "fields": "trace_id"}
    token = a_token(sub="bob")
    answers = [await client.get("/api/v1/traces", token=token, limit=limit, **params) for limit in range(1, ASKED + 1)]
    assert {answer.status for answer in answers} == {200}
    assert all("X-RateLimit-Remaining" in answer.headers for answer in answers)
    return [answer.data for answer in answers]


@pytest.mark.parametrize("fault", FAULTS)
async def test_redis_never_changes_an_answer(database_url: str, redis: RedisServer, fault: str) -> None:
    await insert(database_url, [a_row(number) for number in range(ASKED)])
    expected = [[{"trace_id": f"trace-{ASKED - 1 - row:05}"} for row in range(limit)] for limit in range(1, ASKED + 1)]
    async with a_service(database_url, REDIS_URL=redis.url) as before:
        assert await walk(before) == expected
    async with a_service(database_url, REDIS_URL=redis.url) as client:  # which has nothing in its own memory
        await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
        FAULTS[fault](redis)
        began = asyncio.get_running_loop().time()
        assert await walk(client) == expected
        assert await walk(client) == expected
        intervals = (asyncio.get_running_loop().time() - began) / CIRCUIT_OPEN_SECONDS
        tried = await client.metric("redis_exchange_duration_seconds_count", result="failed")
        assert tried <= 2 + intervals, "once in an interval, and another may be under way when the first one fails"
        assert (await client.request("GET", "/health")).json["status"] in {"healthy", "degraded"}
        if fault in {"gone", "silent"}:
            assert await client.metric("redis_up") == 0
        if fault in {"full", "read-only"}:
            assert await client.metric("redis_exchange_duration_seconds_count", result="refused") > 0


async def test_a_replica_gives_what_another_one_computed(database_url: str, redis: RedisServer) -> None:
    await insert(database_url, [a_row(number) for number in range(ASKED)])
    async with a_service(database_url, REDIS_URL=redis.url) as one:
        await walk(one)
        async with a_service(database_url, REDIS_URL=redis.url) as other:
            await walk(other)
            assert await other.metric("cache_hits_total", tier="redis") == ASKED
            assert await other.metric("cache_misses_total") == 0
