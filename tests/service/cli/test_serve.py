"""`serve` as a process: it drains on SIGTERM, and its log tells no secret."""

import asyncio
import signal

import pytest

from tests.support.process import serving
from tests.support.service import HOUR, T0, a_row, a_token, execute, insert

SLOW = "ALTER TABLE traces RENAME TO spans; CREATE VIEW traces AS SELECT * FROM spans WHERE pg_sleep(2) IS NOT NULL"
PARAMS = {"from": f"{T0:%Y-%m-%dT%H:%M:%SZ}", "to": f"{T0 + HOUR:%Y-%m-%dT%H:%M:%SZ}"}


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


@pytest.mark.parametrize("replay", ["on", "off"])
async def test_who_keeps_a_connection_is_told_to_leave_and_never_cut_off(database_url: str, replay: str) -> None:
    async with serving(database_url, ANSWER_REPLAY=replay) as service:
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
