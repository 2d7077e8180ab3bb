"""gzip for who accepts it: the same answer, another strong ETag, and never mixed up with the other coding."""

import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest

from analytics_service.cache.codings import MIN_GZIP_BYTES
from tests.support.redis import RedisServer
from tests.support.service import HOUR, T0, Client, Response, a_row, a_service, insert

PATH = "/api/v1/traces"


@pytest.fixture
async def client(database_url: str, redis: RedisServer) -> AsyncIterator[Client]:
    """Gets bodies as they were sent."""
    await insert(database_url, [a_row(number) for number in range(50)])
    async with (
        a_service(database_url, REDIS_URL=redis.url) as service,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Client(service.running, session)


async def ask(client: Client, coding: str, **headers: str) -> Response:
    return await client.get(PATH, from_=T0, to=T0 + HOUR, headers={"Accept-Encoding": coding, **headers})


@pytest.mark.parametrize("order", [("gzip", "identity"), ("identity", "gzip")])
async def test_the_codings_are_one_answer(client: Client, order: tuple[str, str]) -> None:
    found = {coding: await ask(client, coding) for coding in order}
    for _ in range(3):  # from memory, and replayed
        for coding in order:
            again = await ask(client, coding)
            assert (again.body, again.headers["ETag"]) == (found[coding].body, found[coding].headers["ETag"])
            assert again.headers.get("Content-Encoding", "identity") == coding
            assert again.headers["Vary"] == "Authorization, X-API-Key, Accept-Encoding"
    assert gzip.decompress(found["gzip"].body) == found["identity"].body
    assert len(found["gzip"].body) < len(found["identity"].body) / 3
    assert found["gzip"].headers["ETag"] != found["identity"].headers["ETag"]
    assert not found["gzip"].headers["ETag"].startswith("W/")


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_304_is_for_the_tag_of_its_coding(client: Client, coding: str) -> None:
    other = "gzip" if coding == "identity" else "identity"
    tag, others_tag = [(await ask(client, one)).headers["ETag"] for one in (coding, other)]
    for _ in range(2):
        unchanged = await ask(client, coding, **{"If-None-Match": tag})
        assert (unchanged.status, unchanged.headers["ETag"], unchanged.body) == (304, tag, b"")
        assert unchanged.headers["Vary"] == "Authorization, X-API-Key, Accept-Encoding"
        assert (await ask(client, coding, **{"If-None-Match": others_tag})).status == 200


async def test_a_small_answer_stays_as_it_is(client: Client) -> None:
    found = await client.get(PATH, from_=T0, to=T0 + HOUR, limit=1, headers={"Accept-Encoding": "gzip"})
    assert len(found.body) < MIN_GZIP_BYTES
    assert "Content-Encoding" not in found.headers
