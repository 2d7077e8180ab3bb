"""What becomes of requests while the server of the database is silent."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import pytest

from analytics_service import settings
from analytics_service.contract.problems import RequestError
from analytics_service.ingest.received import Caller
from analytics_service.receiver.groups import Groups
from analytics_service.receiver.sessions import WriteSessions
from analytics_service.receiver.state import StoreState
from analytics_service.receiver.submission import Submission

_CALLER: Final = Caller(organisation="acme")


class _Relay:
    """Between a client and a server, until `be_silent`: then nothing comes through, and nothing ends."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def be_silent(self) -> None:
        self._speaks.clear()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self._speaks.wait()
        there = await asyncio.open_connection(*self._to)
        self._writers.append(there[1])
        for source, target in ((reader, there[1]), (there[0], writer)):
            self._tasks.append(asyncio.create_task(self._pass(source, target)))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while part := await source.read(65_536):
            await self._speaks.wait()
            target.write(part)
        target.close()


def _groups(url: str, *, seconds: float) -> tuple[Groups, WriteSessions]:
    given = settings.load({"DATABASE_URL": url})
    sessions = WriteSessions(given, size=1)
    return Groups(sessions, StoreState(sessions, retention_days=None, book_paths=()), seconds=seconds), sessions


async def test_a_server_that_falls_silent_holds_no_writer(database_url: str) -> None:
    """To cancel a statement, and to roll back, would wait for its answer too."""
    server = urlsplit(database_url)
    assert server.hostname is not None
    assert server.port is not None
    relay = _Relay(server.hostname, server.port)
    port = await relay.start()
    groups, sessions = _groups(database_url.replace(f":{server.port}/", f":{port}/"), seconds=2)
    lock = await asyncpg.connect(database_url)
    groups.start()
    for _ in range(2):  # after the first one old keys are deleted
        await groups.store(Submission(caller=_CALLER, rows=[], size=0))
    async with lock.transaction():
        await lock.execute("LOCK TABLE rollup_floor IN ACCESS EXCLUSIVE MODE")
        waits = asyncio.create_task(groups.store(Submission(caller=_CALLER, rows=[], size=0)))
        await asyncio.sleep(1)  # until it waits within its transaction
        relay.be_silent()
        with pytest.raises(RequestError, match="cannot be stored"):
            async with asyncio.timeout(6):  # before the request's own wait ends
                await waits
    await lock.close()
    await groups.close()
    await relay.close()
    await sessions.close()


async def test_who_has_gone_leaves_nothing_behind(database_url: str) -> None:
    """Else what waits for a silent server is held without a bound."""
    groups, _ = _groups(database_url, seconds=1)  # no writer is started
    gone = asyncio.create_task(groups.store(Submission(caller=_CALLER, rows=[], size=0)))
    await asyncio.sleep(0)
    assert groups.waiting == 1
    gone.cancel()
    await asyncio.wait({gone})
    assert groups.waiting == 0
