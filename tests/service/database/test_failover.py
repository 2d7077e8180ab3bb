"""A database that restarts or fails over is missed while it is away, and found again by the same process."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.postgres import Server, a_standby
from tests.support.service import HOUR, T0, Client, Response, a_row, a_service, insert

pytestmark = pytest.mark.postgres


async def ask(client: Client) -> Response:
    """A question whose answer nobody has."""
    return await client.get("/api/v1/traces", headers={"Cache-Control": "no-cache"}, from_=T0, to=T0 + HOUR)


async def until(client: Client, status: int) -> list[int]:
    """What was answered on the way."""
    seen: list[int] = []
    async with asyncio.timeout(40):
        while status not in seen:
            seen.append((await ask(client)).status)
            await asyncio.sleep(0.05)
    return seen


def control(server: Server, *words: str) -> Any:
    assert server.control is not None
    return asyncio.to_thread(server.control, *words)


async def test_a_restart_is_503_and_then_as_before(primary: Server) -> None:
    with primary.database(migrated=True) as url:
        await insert(url, [a_row(number) for number in range(3)])
        async with a_service(url) as client:
            before = (await ask(client)).data
            assert len(before) == 3
            await control(primary, "stop", "-m", "fast")  # rows are safe there without fsync
            await until(client, 503)
            gone = await ask(client)
            assert (gone.json["error_code"], gone.headers["Retry-After"]) == ("DATABASE_CONNECTION_FAILED", "5")
            assert (await client.request("GET", "/health")).status == 503
            assert (await client.request("GET", "/health/live")).status == 200
            assert (await client.request("GET", "/health/ready")).status == 200, "pods stay, and say what is wrong"
            await control(primary, "start")
            assert set(await until(client, 200)) <= {503, 200}
            assert (await ask(client)).data == before
            await insert(url, [a_row(9)])
            assert len((await ask(client)).data) == 4


async def test_a_standby_that_takes_over_answers(primary: Server) -> None:
    with primary.database(migrated=True) as url, a_standby(primary) as standby:
        await insert(url, [a_row(number) for number in range(3)])
        first, second = (urlsplit(each.url) for each in (primary, standby))
        hosts = f"{first.hostname}:{first.port},{second.hostname}:{second.port}"
        both = f"postgres://{first.username}:{first.password}@{hosts}{urlsplit(url).path}?target_session_attrs=primary"
        async with a_service(both) as client:
            assert len((await ask(client)).data) == 3
            await control(primary, "stop", "-m", "fast")  # which sends the standby all that it has
            await until(client, 503)
            await control(standby, "promote")
            assert set(await until(client, 200)) <= {503, 200}
            await insert(standby.named(urlsplit(url).path[1:]), [a_row(9)])
            assert len((await ask(client)).data) == 4
        await control(primary, "start")
