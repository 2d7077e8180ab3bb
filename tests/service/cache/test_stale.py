"""What is asked often is answered at once; it is never older than the bound, and nobody else's."""

import asyncio
from typing import Any

from analytics_service.cache.codings import Coding
from analytics_service.cache.memory import Stored
from analytics_service.cache.stale import StaleAnswers
from analytics_service.errors import DatabaseUnavailable
from analytics_service.units.freshness import FRESHNESS
from tests.service.cache.test_cache import Clock
from tests.support.service import HOUR, T0, Client, Response, a_row, a_service, a_token, execute, insert

COUNT: dict[str, Any] = {"metrics": "request_count", "interval": "1day", "from_": T0, "to": T0 + HOUR}
REVALIDATED = "analytics; hit; ttl=-1; detail=stale"


def count(answer: Response) -> int:
    points = answer.data["data"]
    return int(points[0]["request_count"]) if points else 0


async def ask(client: Client, **headers: str) -> Response:
    return await client.get("/api/v1/metrics", headers=headers, **COUNT)


def test_an_answer_is_stale_for_a_bounded_time() -> None:
    clock = Clock()
    stale = StaleAnswers(clock=clock)
    answer = Stored(tag="", body=b"a", coding=Coding.IDENTITY)
    stale.put("q", answer, fresh_until=clock.now + 1)
    clock.now += 1 + FRESHNESS.stale_seconds - 0.001
    assert stale.get("q") is answer
    assert stale.get("another") is None
    clock.now += 0.001
    assert stale.get("q") is None


async def test_a_question_is_made_anew_once_at_a_time() -> None:
    stale, runs, go = StaleAnswers(), list[str](), asyncio.Event()

    async def make() -> None:
        runs.append("began")
        await go.wait()
        raise DatabaseUnavailable("gone")

    for _ in range(3):
        stale.refresh("q", make)
        await asyncio.sleep(0)
    go.set()
    while stale._refreshing:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)
    stale.refresh("q", make)
    await asyncio.sleep(0)
    await stale.close()
    assert runs == ["began", "began"]


async def test_a_row_that_comes_late_is_in_the_answer_after_the_next(database_url: str) -> None:
    await insert(database_url, [a_row(1)])
    async with a_service(database_url) as client:
        assert count(await ask(client)) == 1
        await insert(database_url, [a_row(2)])
        await asyncio.sleep(FRESHNESS.version_seconds + 0.05)
        meanwhile = await ask(client)
        assert (count(meanwhile), meanwhile.headers["Cache-Status"]) == (1, REVALIDATED)
        async with asyncio.timeout(20):
            while count(answer := await ask(client)) == 1:  # noqa: ASYNC110 - it is made elsewhere
                await asyncio.sleep(0.02)
        assert answer.headers["Cache-Status"] == "analytics; hit; detail=memory", "it was made in the background"
        hits = await client.metric("cache_hits_total", tier="stale")
    assert hits >= 1


async def test_what_was_not_asked_lately_is_waited_for(database_url: str) -> None:
    async with a_service(database_url) as client:
        assert count(await ask(client)) == 0
        await insert(database_url, [a_row(1)])
        await asyncio.sleep(FRESHNESS.max_age_seconds + 0.05)
        assert count(await ask(client)) == 1


async def test_who_wants_no_cache_sees_every_row_that_is_there(database_url: str) -> None:
    async with a_service(database_url) as client:
        for number in range(5):
            assert count(await ask(client, **{"Cache-Control": "no-cache"})) == number
            await insert(database_url, [a_row(number)])
        again = await ask(client, **{"Cache-Control": "no-cache"})
        unchanged = await ask(client, **{"Cache-Control": "no-cache"})
    assert (again.body, again.headers["ETag"]) == (unchanged.body, unchanged.headers["ETag"])


async def test_what_is_stale_for_one_is_nothing_to_others(database_url: str) -> None:
    await insert(database_url, [a_row(1), a_row(2, org_id="rival"), a_row(3, org_id="rival")])
    tokens = [a_token(), a_token(org_id="rival"), a_token(projects=["web"]), a_token(projects=["other"])]
    async with a_service(database_url) as client:
        for _ in range(3):
            counts = [count(await client.get("/api/v1/metrics", token=token, **COUNT)) for token in tokens]
            assert counts == [1, 2, 1, 0]
            await asyncio.sleep(FRESHNESS.version_seconds + 0.05)


async def test_an_answer_that_cannot_be_made_anew_is_an_error_in_time(database_url: str) -> None:
    async with a_service(database_url) as client:
        assert (await ask(client)).status == 200
        await execute(database_url, "ALTER TABLE traces RENAME TO elsewhere")
        await asyncio.sleep(FRESHNESS.version_seconds + 0.05)
        await execute(database_url, "DELETE FROM rollup_version")
        await execute(database_url, "INSERT INTO rollup_version VALUES ('acme', $1, 7)", T0.replace(hour=0))
        statuses = [(await ask(client)).status]
        async with asyncio.timeout(20):
            while statuses[-1] == 200:
                await asyncio.sleep(0.05)
                statuses.append((await ask(client)).status)
    assert statuses[0] == 200
    assert statuses[-1] == 503
