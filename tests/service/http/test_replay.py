"""An answer that is given again to the same bytes is the answer that reading them would give, and counts as one.

What holds of every answer holds with ANSWER_REPLAY and without it.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from analytics_service.http.connections import ConnectionHandler
from analytics_service.http.replay.store import is_one_request
from analytics_service.units.freshness import FRESHNESS
from tests.support.redis import RedisServer
from tests.support.service import Client, a_row, a_service, a_token, insert

PATH = "/api/v1/traces?from=2024-03-04T12:00:00Z&to=2024-03-04T13:00:00Z"
OF_EACH = {"Date", "X-Request-ID", "Server-Timing", "Cache-Status", "RateLimit", "X-RateLimit-Remaining"}


def request(path: str = PATH, **headers: str) -> bytes:
    whole = {"Host": "here", "Authorization": f"Bearer {a_token()}"} | headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in whole.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass
class Wire:
    """A connection that sends bytes as they are."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        """Each part in a packet of its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.05)

    async def answer(self) -> tuple[int, Mapping[str, str], bytes]:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            assert len(headers) == len(lines), "no header twice"
            return int(status.split()[1]), headers, await self.reader.readexactly(int(headers.get("Content-Length", 0)))

    async def ask(self, raw: bytes) -> tuple[int, Mapping[str, str], bytes]:
        self.writer.write(raw)
        return await self.answer()

    async def silent(self) -> bool:
        """Whether nothing more comes."""
        try:
            async with asyncio.timeout(0.3):
                return not await self.reader.read(1)
        except TimeoutError:
            return True


@asynccontextmanager
async def wire(client: Client) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.running.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


async def ask_twice(connection: Wire, raw: bytes) -> None:
    """Computes the answer, and has it stored: from the cache it comes with its second request."""
    await connection.ask(raw)
    await connection.ask(raw)


def given_again(headers: Mapping[str, str]) -> bool:
    """Nothing was timed but the whole: no step of the pipeline ran."""
    return headers["Server-Timing"].startswith("total;dur=")


@pytest.fixture
async def client(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Client]:
    """With the replay, unless a test asks for both."""
    await insert(database_url, [a_row(1), a_row(2)])
    async with a_service(database_url, ANSWER_REPLAY=getattr(request, "param", "on")) as found:
        yield found


both = pytest.mark.parametrize(
    ("client", "replays"), [("on", True), ("off", False)], indirect=["client"], ids=["replay", "no replay"]
)


@both
@pytest.mark.parametrize("fresh", [False, True], ids=["200", "304"])
async def test_it_differs_from_the_first_in_nothing_but_what_each_request_has(
    client: Client, *, replays: bool, fresh: bool
) -> None:
    async with wire(client) as connection:
        _, headers, _ = await connection.ask(request())
        raw = request(Origin="https://a.example", **({"If_None_Match": headers["ETag"]} if fresh else {}))
        first, again = await connection.ask(raw), await connection.ask(raw)
    assert first[0] == again[0] == (304 if fresh else 200)
    assert (given_again(first[1]), given_again(again[1])) == (False, replays)
    assert again[2] == first[2]
    assert again[1].keys() == first[1].keys()
    same = first[1].keys() - OF_EACH - {"X-RateLimit-Reset"}
    assert {name: again[1][name] for name in same} == {name: first[1][name] for name in same}
    assert UUID(again[1]["X-Request-ID"]) != UUID(first[1]["X-Request-ID"])
    assert again[1]["Cache-Status"] == "analytics; hit; detail=memory"


@both
async def test_a_new_row_is_seen_after_two_seconds(client: Client, database_url: str, *, replays: bool) -> None:
    raw = request()
    async with wire(client) as connection:
        await ask_twice(connection, raw)
        _, headers, before = await connection.ask(raw)
        assert given_again(headers) is replays
        await insert(database_url, [a_row(3)])
        await asyncio.sleep(FRESHNESS.max_age_seconds + 0.05)
        _, headers, after = await connection.ask(raw)
    assert not given_again(headers)
    assert after != before


async def test_every_one_counts_against_the_limit_until_it_is_reached(client: Client) -> None:
    raw = request(Authorization=f"Bearer {a_token(sub='busy', role='viewer')}")
    left, statuses, replayed = [], [], 0
    async with wire(client) as connection:
        for _ in range(1300):
            status, headers, _ = await connection.ask(raw)
            statuses.append(status)
            left.append(int(headers["X-RateLimit-Remaining"]))
            replayed += given_again(headers)
            if status == 429:
                break
    assert statuses[-1] == 429
    assert statuses[:-1] == [200] * (len(statuses) - 1)
    assert len(statuses) > 1200
    assert replayed > 1000
    assert left[0] == 1199
    assert left[-1] == 0


@both
async def test_every_one_is_counted_in_metrics(client: Client, *, replays: bool) -> None:
    raw = request()
    async with wire(client) as connection:
        replayed = [given_again((await connection.ask(raw))[1]) for _ in range(10)]
    assert any(replayed) is replays
    assert await client.metric("http_requests_total", route="/api/v1/traces", status="200") == 10
    assert await client.metric("http_request_duration_seconds_count", route="/api/v1/traces") == 10
    assert await client.metric("cache_hits_total", tier="memory") == 9


@both
async def test_a_draining_service_reads_the_request_and_closes(client: Client, *, replays: bool) -> None:
    raw = request()
    async with wire(client) as connection:
        await ask_twice(connection, raw)
        assert given_again((await connection.ask(raw))[1]) is replays
        client.running.lifecycle.draining = True
        _, headers, _ = await connection.ask(raw)
        assert headers["Connection"] == "close"
        assert not given_again(headers)
        assert await connection.silent()


@both
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"POST /api/v1/traces HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", id="of a POST"),
        pytest.param(b"GET /health/live HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", id="of a GET"),
        pytest.param(
            b"GET /health/live HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", id="of chunks"
        ),
    ],
)
async def test_known_bytes_inside_a_body_are_no_request(client: Client, head: bytes, *, replays: bool) -> None:
    raw = request()
    async with wire(client) as other:
        await ask_twice(other, raw)
        assert given_again((await other.ask(raw))[1]) is replays
        async with wire(client) as connection:
            await connection.send(head % len(raw), raw, *([b"\r\n0\r\n\r\n"] if b"chunked" in head else []))
            status, headers, _ = await connection.answer()
            assert status in {200, 401}
            assert "ETag" not in headers
            assert await connection.silent()


@both
async def test_known_bytes_inside_a_header_are_no_request(client: Client, *, replays: bool) -> None:
    raw = request()
    async with wire(client) as connection:
        await ask_twice(connection, raw)
        assert given_again((await connection.ask(raw))[1]) is replays
        await connection.send(b"GET /health/live HTTP/1.1\r\nX-Note: ", raw)
        status, headers, _ = await connection.answer()
        assert (status, headers.get("ETag")) == (200, None)
        assert await connection.silent()


@both
async def test_two_requests_in_one_packet_get_two_answers_in_their_order(client: Client, *, replays: bool) -> None:
    raw, other = request(), request("/health/live")
    async with wire(client) as connection:
        assert [given_again((await connection.ask(raw))[1]) for _ in range(3)] == [False, False, replays]
    for _ in range(2):
        async with wire(client) as connection:
            connection.writer.write(raw + other + raw)
            found = [await connection.answer() for _ in range(3)]
            assert ["ETag" in headers for _, headers, _ in found] == [True, False, True]
            assert not given_again((await connection.ask(raw))[1]), "read by the parser from then on"
            assert await connection.silent()


async def test_a_request_with_an_id_of_its_own_keeps_it(client: Client) -> None:
    raw = request(X_Request_ID="mine")
    async with wire(client) as connection:
        for _ in range(3):
            _, headers, _ = await connection.ask(raw)
            assert headers["X-Request-ID"] == "mine"


async def test_leased_requests_are_counted_in_redis(database_url: str, redis: RedisServer) -> None:
    raw = request(Authorization=f"Bearer {a_token(sub='leased', role='viewer')}")
    async with a_service(database_url, REDIS_URL=redis.url) as client, wire(client) as connection:
        started = time.monotonic()
        left = [int((await connection.ask(raw))[1]["X-RateLimit-Remaining"]) for _ in range(100)]
        returned = (time.monotonic() - started) * 20
    assert left[0] == 1199
    assert 1099 <= left[-1] <= 1100 + returned, "a hundred, but for those that came back meanwhile"


@pytest.mark.parametrize(
    ("raw", "one"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\n", False),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", False),
        (b"GET / HTTP/1.1\nHost: h\n\nGET / HTTP/1.1\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\n\r\n", False),
        (b"", False),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n\r\n", False),
    ],
)
def test_bytes_that_may_be_one_request(raw: bytes, *, one: bool) -> None:
    assert is_one_request(raw) is one


async def test_without_it_no_part_of_it_sees_a_connection(database_url: str) -> None:
    async with a_service(database_url, ready=False, ANSWER_REPLAY="off") as client, wire(client) as connection:
        await connection.ask(request("/health/live"))
        (handler,) = [each for each in gc.get_objects() if isinstance(each, ConnectionHandler) and each.transport]
        assert type(handler) is ConnectionHandler
