"""A cluster: commands go to who owns their slot, also while it moves, and a node that dies takes nobody with it."""

import asyncio
from collections.abc import Iterator

import pytest

from analytics_service.cache.nodes.failures import NODE_OF_CLUSTER
from analytics_service.cache.redis import Redis, RedisUnavailable, Script
from analytics_service.rate_limit.gcra import LUA
from tests.service.cache.test_redis_failover import assert_back, loaded
from tests.service.cli.test_redis_causes import said
from tests.support.eventually import eventually
from tests.support.process import serving
from tests.support.redis_cluster import RedisCluster, a_cluster, command


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with a_cluster() as started:
        yield started


async def counted(shared: Redis, key: str) -> int:
    """Takes one of a limit of many; returns how many were taken, given that nothing is refilled meanwhile."""
    ahead, _, _ = await shared.run(Script(LUA), key, [10**9, 10**12, 1])
    return round(ahead / 10**9)


async def test_commands_of_one_moment_reach_all_nodes(cluster: RedisCluster) -> None:
    shared = Redis(cluster.url, timeout=5)
    keys = [f"some {number}" for number in range(100)]
    assert await shared.ping()
    for key in keys:
        shared.put(key, key.encode(), seconds=60)
    assert await asyncio.gather(*(shared.get(key) for key in keys)) == [key.encode() for key in keys]
    assert await asyncio.gather(*(counted(shared, f"limit {key}") for key in keys)) == [1] * 100
    assert all(command(node, "DBSIZE") > 20 for node in cluster.primaries)
    assert await shared.diagnose() is None
    await shared.close()


async def test_a_slot_that_moves_loses_nothing(cluster: RedisCluster) -> None:
    """Keys of one slot by a hash tag, of which some are on either side."""
    before, during = "{tag}before", "{tag}during"
    target = next(node for node in cluster.primaries if node is not cluster.owner(before))
    shared = Redis(cluster.url, timeout=5)
    assert await shared.ping()
    shared.put(before, b"value", seconds=60)
    assert await counted(shared, f"{before} limit") == 1
    cluster.begin_move(before, target)
    assert await shared.get(before) == b"value"
    assert await shared.get(during) is None
    assert [await counted(shared, f"{during} limit") for _ in range(3)] == [1, 2, 3]
    assert await counted(shared, f"{before} limit") == 2
    cluster.end_move(before, target)
    assert await asyncio.gather(*(shared.get(before) for _ in range(5))) == [b"value"] * 5
    assert await counted(shared, f"{before} limit") == 3
    assert await counted(shared, f"{during} limit") == 4
    shared.put(during, b"later", seconds=60)
    assert await shared.get(during) == b"later"
    assert shared.failure is None
    await shared.close()


async def test_a_node_dies_under_load(database_url: str) -> None:
    with a_cluster(replicas=True) as cluster:
        old, new = cluster.primaries[0], cluster.replicas[0]
        async with loaded(database_url, cluster.url) as load:
            await eventually(lambda: load.client.metric("cache_misses_total"))
            assert await load.client.metric("analytics_redis_up") == 1
            old.stop()

            async def promoted() -> bool:
                with new.client as client:
                    return bool(client.info("replication")["role"] == "master")

            await eventually(promoted)
            await assert_back(load, database_url, cluster.url, new)


async def test_one_node_that_is_away_opens_no_circuit_of_another(cluster: RedisCluster) -> None:
    shared = Redis(cluster.url, timeout=0.2, circuit_open_seconds=3600)
    assert await shared.ping()
    lost = cluster.primaries[2]
    keys = [f"some {number}" for number in range(50)]
    lost.pause()
    try:
        for key in keys:
            if cluster.owner(key) is lost:
                with pytest.raises(RedisUnavailable):
                    await shared.get(key)
            else:
                await shared.get(key)
        assert not shared.available
    finally:
        lost.resume()
    await shared.close()


async def test_one_node_given_as_a_server_is_named(database_url: str, cluster: RedisCluster) -> None:
    message = NODE_OF_CLUSTER.message
    assert message == "REDIS_URL names one node of a cluster: use redis+cluster://"
    async with loaded(database_url, cluster.primaries[0].url) as load:
        health = (await load.client.request("GET", "/health")).json
        assert (health["status"], health["redis"], health["detail"]) == ("degraded", "unhealthy", message)
        assert await load.client.metric("analytics_redis_up") == 0
    async with serving(database_url, REDIS_URL=cluster.primaries[0].url) as service:
        await service.until("/health/ready", 200)
        await service.status("/health")
        service.process.terminate()
        _, output = await service.ended()
    assert output.count(f'"error":"{message}"') == 1


def test_doctor_names_one_node_of_a_cluster(capsys: pytest.CaptureFixture[str], cluster: RedisCluster) -> None:
    verdict, message = said(capsys, REDIS_URL=cluster.primaries[0].url)
    assert (verdict, message.split(";")[0]) == ("warning", NODE_OF_CLUSTER.message)
    assert said(capsys, REDIS_URL=cluster.url) == ("ok", "REDIS_URL answers")
