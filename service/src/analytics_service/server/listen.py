"""Listeners of the applications, and the drain: requests in flight are answered before the process ends."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from analytics_service.errors import ServiceError
from analytics_service.http.connections import ConnectionFactory, ConnectionHandler
from analytics_service.server.lifecycle import Lifecycle

EVERY_ADDRESS: Final = "::"
"""The host that stands for all addresses of the machine: those of IPv4 too, and alone where it has no IPv6."""
DRAIN_SECONDS: Final = 25.0
"""Less than the pod's terminationGracePeriodSeconds after its preStop."""
LINGER_SECONDS: Final = 3.0
"""An idle connection that sends a request within this time gets `Connection: close`, instead of being cut off."""
_BACKLOG: Final = 128
"""Connections that the kernel accepts before the loop does."""
_LAST_SECONDS: Final = 1.0
"""Timeout of requests that were cancelled at the end of the drain."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Site:
    application: web.Application
    host: str
    port: int
    setting: str
    """Names the port where it is taken."""
    connection: ConnectionFactory = ConnectionHandler


@dataclass(frozen=True, kw_only=True)
class Listening:
    port: int
    """The one that it got."""
    connections: Callable[[], int]
    """How many are open."""


@asynccontextmanager
async def listening(*sites: Site) -> AsyncIterator[list[Listening]]:
    """Serves the sites while the block runs."""
    async with AsyncExitStack() as stack:
        yield [await _start(site, stack) for site in sites]


async def _start(site: Site, stack: AsyncExitStack) -> Listening:
    runner = web.AppRunner(
        site.application,
        handle_signals=False,
        shutdown_timeout=_LAST_SECONDS,
        handler_cancellation=True,  # a question whose client has gone is not asked to its end
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    server = runner.server
    assert server is not None  # noqa: S101 - it is there after setup()
    # not web.TCPSite, whose connections are the library's own
    loop, connection = asyncio.get_running_loop(), lambda: site.connection(server)
    try:
        if site.host == EVERY_ADDRESS:
            listener = await loop.create_server(connection, sock=_every_address(site.port), backlog=_BACKLOG)
        else:
            listener = await loop.create_server(connection, site.host, site.port, backlog=_BACKLOG, reuse_address=True)
    except OSError as error:
        raise ServiceError(f"{site.setting}: {_why(error, site)}") from error
    stack.callback(listener.close)
    return Listening(port=int(listener.sockets[0].getsockname()[1]), connections=lambda: len(server.connections))


def _every_address(port: int) -> socket.socket:
    """One socket for both families: the loop's own would refuse IPv4, and two have two numbers where `port` is 0."""
    if socket.has_dualstack_ipv6():
        return socket.create_server((EVERY_ADDRESS, port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - that is what the setting asks for


def _why(error: OSError, site: Site) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {site.port} is in use on {site.host}; choose another, or stop what listens there"
    return f"cannot listen on {site.host} port {site.port}: {error.strerror or error}"


async def drain(lifecycle: Lifecycle, connections: Callable[[], int], *, seconds: float = DRAIN_SECONDS) -> None:
    """Says so in /health/ready at once; returns when nothing is under way, or when the time is over.

    Every answer closes its connection meanwhile. Those that stay open are given LINGER_SECONDS for one more request.
    """
    lifecycle.draining = True
    _log.info("draining", in_flight=lifecycle.in_flight)
    try:
        async with asyncio.timeout(seconds):
            await _linger(connections)
            await lifecycle.idle()
    except TimeoutError:
        _log.warning("requests are cut off at the end of the drain", in_flight=lifecycle.in_flight)


async def _linger(connections: Callable[[], int]) -> None:
    until = asyncio.get_running_loop().time() + LINGER_SECONDS
    while connections() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - nothing tells of a closed one
        await asyncio.sleep(0.05)
