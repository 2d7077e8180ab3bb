"""`serve` as a process: it drains on SIGTERM, and its log tells no secret."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from tests.support.postgres import PASSWORD
from tests.support.service import HOUR, SECRET, T0, a_row, a_token, execute, insert

SLOW = "ALTER TABLE traces RENAME TO spans; CREATE VIEW traces AS SELECT * FROM spans WHERE pg_sleep(2) IS NOT NULL"
PARAMS = {"from": f"{T0:%Y-%m-%dT%H:%M:%SZ}", "to": f"{T0 + HOUR:%Y-%m-%dT%H:%M:%SZ}"}


@dataclass
class Process:
    process: asyncio.subprocess.Process
    url: str
    session: aiohttp.ClientSession

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path, headers={"Connection": "close"}) as response:
            return response.status

    async def until(self, path: str, status: int) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    if await self.status(path) == status:
                        return
                except aiohttp.ClientConnectionError:
                    pass  # it does not listen yet
                await asyncio.sleep(0.05)

    async def ended(self) -> tuple[int, str]:
        output, _ = await asyncio.wait_for(self.process.communicate(), timeout=30)
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@asynccontextmanager
async def serving(database_url: str, **environment: str) -> AsyncIterator[Process]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "analytics_service", "serve"),
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "JWT_SECRET": SECRET,
            "APP_HOST": "127.0.0.1",
            "API_PORT": port,
            "API_METRICS_PORT": free_port(),
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with aiohttp.ClientSession() as session:
            yield Process(process, f"http://127.0.0.1:{port}", session)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_is_under_way_is_answered_before_the_end(database_url: str, number: signal.Signals) -> None:
    await insert(database_url, [a_row()])
    await execute(database_url, SLOW)
    async with serving(database_url) as service:
        await service.until("/health/ready", 200)
        headers = {"Authorization": f"Bearer {a_token()}"}
        slow = asyncio.create_task(service.session.get(f"{service.url}/api/v1/traces", headers=headers, params=PARAMS))
        await asyncio.sleep(0.5)
        service.process.send_signal(number)
        await service.until("/health/ready", 503)
        assert await service.status("/health/live") == 200
        async with await slow as answer:
            assert answer.status == 200
            assert len((await answer.json())["data"]) == 1
            assert answer.headers["Connection"] == "close"
        code, output = await service.ended()
    assert code == 0
    assert "Traceback" not in output


async def test_an_idle_connection_does_not_hold_up_the_end(database_url: str) -> None:
    async with serving(database_url) as service:
        await service.until("/health/ready", 200)
        async with service.session.get(f"{service.url}/health/live") as response:
            assert response.status == 200  # and the connection is kept
        service.process.terminate()
        assert (await service.ended())[0] == 0


async def test_who_keeps_a_connection_is_told_to_leave_and_never_cut_off(database_url: str) -> None:
    async with serving(database_url) as service:
        await service.until("/health/ready", 200)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))

        async def ask() -> bytes:
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            return head

        assert b"Connection: close" not in await ask()
        service.process.terminate()
        await service.until("/health/ready", 503)
        await asyncio.sleep(0.5)
        assert b"Connection: close" in await ask(), "half a second after the end began, on the connection that was kept"
        assert await reader.read() == b""
        writer.close()
        assert (await service.ended())[0] == 0


async def test_the_log_is_json_with_request_ids_and_without_secrets(database_url: str) -> None:
    await insert(database_url, [a_row()])
    async with serving(database_url, LOG_LEVEL="debug") as service:
        await service.until("/health/ready", 200)
        token = a_token()
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Request-ID": "the-id",
            "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        }
        async with service.session.get(
            f"{service.url}/api/v1/traces", headers=headers, params={**PARAMS, "search": "a private prompt"}
        ) as response:
            assert response.status == 200
        service.process.terminate()
        _, output = await service.ended()
    lines = [json.loads(line) for line in output.splitlines()]
    (request,) = (line for line in lines if line.get("request_id") == "the-id" and line["event"] == "request")
    assert (request["route"], request["status"], request["trace_id"]) == ("/api/v1/traces", 200, "a" * 32)
    assert request["level"] == "info"
    for secret in (token, SECRET, PASSWORD, "private"):
        assert secret not in output


async def test_the_log_can_be_text_and_quiet(database_url: str) -> None:
    async with serving(database_url, LOG_FORMAT="text", RUST_LOG="analytics_api=warn,tower_http=info") as service:
        await service.until("/health/ready", 200)
        assert await service.status("/nothing") == 404
        service.process.terminate()
        code, output = await service.ended()
    assert (code, output) == (0, "")


async def test_a_database_that_comes_later_makes_it_ready(database_url: str) -> None:
    server, _, name = database_url.rpartition("/")
    await execute(f"{server}/postgres", f"ALTER DATABASE {name} RENAME TO {name}_away")
    async with serving(database_url, LOG_LEVEL="error") as service:
        await service.until("/health/ready", 503)
        assert await service.status("/health/live") == 200
        assert await service.status("/health") == 503
        await execute(f"{server}/postgres", f"ALTER DATABASE {name}_away RENAME TO {name}")
        await service.until("/health/ready", 200)
        service.process.terminate()
        assert (await service.ended())[0] == 0


async def test_an_older_schema_is_said_and_not_served(empty_url: str) -> None:
    async with serving(empty_url, LOG_LEVEL="error") as service:
        await service.until("/health/ready", 503)
        detail = ""
        async with asyncio.timeout(30):
            while "migrate" not in detail:
                await asyncio.sleep(0.05)
                async with service.session.get(f"{service.url}/health/ready") as response:
                    detail = (await response.json())["detail"]
        service.process.terminate()
        assert (await service.ended())[0] == 0
