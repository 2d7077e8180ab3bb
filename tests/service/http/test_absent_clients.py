"""A client that does not read what it asked for is cut off, and for one that has gone nothing is asked any more.

With the replay and without it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import pytest
from aiohttp import web

from analytics_service.http.connections import ConnectionFactory, ConnectionHandler, Timeouts
from analytics_service.http.replay.handler import ReplayHandler
from analytics_service.http.replay.store import ReplayStore
from analytics_service.telemetry.metrics import Metrics
from tests.support.service import HOUR, T0, a_row, a_service, insert

LARGE = b"x" * 32 * 1024 * 1024
"""More than the buffers of both sides hold."""


@pytest.fixture(params=[ConnectionHandler, ReplayHandler])
def handler(request: pytest.FixtureRequest) -> Callable[..., ConnectionHandler]:
    if request.param is ReplayHandler:
        return partial(ReplayHandler, store=ReplayStore(Metrics(), lambda: False))
    return ConnectionHandler


@asynccontextmanager
async def listening(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    connection: ConnectionFactory,
    *,
    small_buffer: bool = False,
) -> AsyncIterator[tuple[int, web.Server]]:
    """A port, and who has its connections."""
    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    server = runner.server
    assert server is not None
    bound = socket.create_server(("127.0.0.1", 0))
    if small_buffer:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # which its connections have too
    listener = await asyncio.get_running_loop().create_server(lambda: connection(server), sock=bound)
    try:
        yield bound.getsockname()[1], server
    finally:
        listener.close()
        await runner.cleanup()


async def short(_request: web.Request) -> web.Response:
    """Less than what is waited for in the process."""
    return web.Response(body=b"x" * 48 * 1024)


@asynccontextmanager
async def asked(ended: list[str], connection: ConnectionFactory) -> AsyncIterator[socket.socket]:
    """A connection that has asked for LARGE."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(LARGE))})
        await response.prepare(request)
        try:
            await response.write(LARGE)
        except ConnectionError:
            ended.append("cut")
            raise
        ended.append("sent")
        return response

    async with listening(answer, connection) as (port, _):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_sendall(client, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            yield client
        finally:
            client.close()


async def test_who_does_not_read_is_cut_off(handler: Callable[..., ConnectionHandler]) -> None:
    ended: list[str] = []
    async with asked(ended, partial(handler, timeouts=Timeouts(send=0.3))), asyncio.timeout(20):
        while not ended:  # noqa: ASYNC110 - the other side's list
            await asyncio.sleep(0.05)
    assert ended == ["cut"]


async def test_who_reads_late_gets_all_of_it(handler: Callable[..., ConnectionHandler]) -> None:
    ended: list[str] = []
    async with asked(ended, partial(handler, timeouts=Timeouts(send=20))) as client, asyncio.timeout(20):
        await asyncio.sleep(0.5)
        assert ended == []
        received = 0
        while received < len(LARGE):
            received += len(await asyncio.get_running_loop().sock_recv(client, 1024 * 1024))
    assert ended == ["sent"]


async def test_who_does_not_read_a_short_answer_is_cut_off_too(handler: Callable[..., ConnectionHandler]) -> None:
    loop = asyncio.get_running_loop()
    connection = partial(handler, timeouts=Timeouts(idle=0.3, send=1.0))
    async with listening(short, connection, small_buffer=True) as (port, server), asyncio.timeout(20):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # as small as the kernel makes it
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.sleep(0.6)
        assert len(server.connections) == 1, "the answer is still to be sent, after the time for requests"
        while server.connections:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.05)
        client.close()


async def test_a_request_that_is_not_ended_in_time_is_told_so(handler: Callable[..., ConnectionHandler]) -> None:
    connection = partial(handler, timeouts=Timeouts(idle=0.3, head=0.6))
    async with listening(short, connection) as (port, _), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = asyncio.get_running_loop().time()
        for word in (b"GET / HTT", b"P/1.1\r\n", b"Host: h\r\n"):
            writer.write(word)
            await asyncio.sleep(0.02)
        answer = await reader.read()
        assert asyncio.get_running_loop().time() - started >= 0.6
        writer.close()
    assert answer.startswith(b"HTTP/1.0 408 ")
    assert b'"error_code":"REQUEST_TIMEOUT"' in answer


async def test_a_connection_on_which_nothing_was_begun_is_closed_without_a_word(
    handler: Callable[..., ConnectionHandler],
) -> None:
    connection = partial(handler, timeouts=Timeouts(idle=0.3))
    async with listening(short, connection) as (port, _), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()


async def test_a_statement_whose_clients_have_all_gone_is_cancelled(database_url: str) -> None:
    await insert(database_url, [a_row()])
    asking = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM traces AS t%'"
    holder = await asyncpg.connect(database_url)
    async with a_service(database_url) as client:
        await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)  # its connection is prepared

        async def waiting(count: int) -> None:
            async with asyncio.timeout(20):
                while await watcher.fetchval(asking) != count:  # noqa: ASYNC110 - PostgreSQL tells nobody
                    await asyncio.sleep(0.05)

        watcher = await asyncpg.connect(database_url)
        async with holder.transaction():
            await holder.execute("LOCK TABLE traces IN ACCESS EXCLUSIVE MODE")
            both = [asyncio.create_task(client.get("/api/v1/traces/trace-00000")) for _ in range(2)]
            await waiting(1)
            both[0].cancel()
            await asyncio.sleep(0.3)
            assert await watcher.fetchval(asking) == 1, "the other client still waits"
            alone = asyncio.create_task(client.get("/api/v1/traces", from_=T0, to=T0 + HOUR, limit=3))
            await waiting(2)
            alone.cancel()
            await waiting(1)
        assert (await both[1]).status == 200
        await watcher.close()
    await holder.close()
