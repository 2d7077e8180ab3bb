"""`serve` and `work` listen on IPv4 and IPv6 alike, and start on a machine that has no IPv6."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.support.environment import WITHOUT_IPV6
from tests.support.ports import free_ports
from tests.support.process import Process, serving

UNREACHABLE = "postgres://user:password@127.0.0.1:1/database"
BOTH = {"127.0.0.1": 200, "[::1]": 200}
IPV4 = {"127.0.0.1": 200, "[::1]": None}


async def answers(process: Process, path: str = "/health/live", port: int | None = None) -> dict[str, int | None]:
    """The status by the address that was asked; None where nothing listens there."""
    found: dict[str, int | None] = {}
    for host in ("127.0.0.1", "[::1]"):
        try:
            async with process.session.get(f"http://{host}:{port or urlsplit(process.url).port}{path}") as response:
                found[host] = response.status
        except aiohttp.ClientConnectionError:
            found[host] = None
    return found


@pytest.mark.parametrize("command", ["serve", "work"])
@pytest.mark.parametrize(
    ("host", "expected"),
    [pytest.param("", BOTH, id="by default"), ("::", BOTH), ("0.0.0.0", IPV4), ("127.0.0.1", IPV4)],  # noqa: S104
)
async def test_every_address_of_the_machine_answers_unless_one_is_named(
    command: str, host: str, expected: dict[str, int | None]
) -> None:
    metrics_port = free_ports(1)[0]
    given = {"APP_HOST": host} | ({"API_METRICS_PORT": str(metrics_port)} if command == "serve" else {})
    async with serving(UNREACHABLE, command, **given) as process:
        await process.until("/health/live", 200)
        assert await answers(process) == expected
        if command == "serve":
            assert await answers(process, "/metrics", metrics_port) == expected


@pytest.mark.parametrize("command", ["serve", "work"])
async def test_a_machine_without_ipv6_answers_on_ipv4(command: str) -> None:
    async with serving(UNREACHABLE, command, APP_HOST="::", **WITHOUT_IPV6) as process:
        await process.until("/health/live", 200)
        assert await answers(process) == IPV4


async def test_a_port_that_one_family_has_taken_is_named() -> None:
    port = free_ports(1)[0]
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    async with taken, serving(UNREACHABLE, APP_HOST="::", API_PORT=str(port)) as process:
        code, output = await process.ended()
    assert code == 1
    assert output.splitlines()[-1] == (
        f"analytics-service: API_PORT: port {port} is in use on ::; choose another, or stop what listens there"
    )
