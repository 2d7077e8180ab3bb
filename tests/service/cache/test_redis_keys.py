"""Every key in Redis begins with REDIS_PREFIX, so that services that share one stay apart."""

import pytest

from analytics_service import settings
from analytics_service.errors import UsageError
from tests.support.redis import RedisServer
from tests.support.service import HOUR, T0, Client, a_row, a_service, insert


async def ask(client: Client) -> None:
    answer = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
    assert len(answer.data) == 1
    assert (await client.request("GET", "/health")).json["redis"] == "healthy"  # waits for what was put before


async def test_every_key_begins_with_the_prefix(database_url: str, redis: RedisServer) -> None:
    await insert(database_url, [a_row()])
    redis.client.acl_setuser("app", enabled=True, passwords=["+pw"], keys=["team-a:analytics:*"], commands=["+@all"])
    url = f"redis://app:pw@127.0.0.1:{redis.port}/0"
    async with a_service(database_url, REDIS_URL=url, REDIS_PREFIX="team-a:") as client:
        await ask(client)
        assert await client.metric("analytics_redis_exchange_duration_seconds_count", result="answered") > 2
        assert await client.metric("analytics_redis_exchange_duration_seconds_count", result="refused") == 0
    assert redis.client.keys("team-a:analytics:answer:*")
    async with a_service(database_url, REDIS_URL=url) as client:
        await ask(client)
        assert await client.metric("analytics_redis_exchange_duration_seconds_count", result="refused") > 1


async def test_services_of_different_prefixes_share_neither_answers_nor_limits(
    database_url: str, redis: RedisServer
) -> None:
    await insert(database_url, [a_row()])
    async with a_service(database_url, REDIS_URL=redis.url, REDIS_PREFIX="one.") as client:
        await ask(client)
    async with a_service(database_url, REDIS_URL=redis.url, REDIS_PREFIX="two.") as client:
        await ask(client)
        assert await client.metric("cache_hits_total", tier="redis") == 0
    async with a_service(database_url, REDIS_URL=redis.url, REDIS_PREFIX="one.") as client:
        await ask(client)
        assert await client.metric("cache_hits_total", tier="redis") == 1


@pytest.mark.parametrize("prefix", ["a b", "{tag}", "x" * 65, "ä", "li\nne"])
def test_a_prefix_that_cannot_be_one_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match=r"^REDIS_PREFIX: may hold at most 64 letters, digits"):
        settings.load({"REDIS_PREFIX": prefix})
