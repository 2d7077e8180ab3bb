"""Runs an application until it is told to stop, and then lets what is under way come to its end."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from analytics_service.errors import ServiceError
from analytics_service.http.lifecycle import Lifecycle
from analytics_service.http.protocol import Runner

DRAIN_SECONDS: Final = 25.0
"""Less than the pod's terminationGracePeriodSeconds after its preStop."""
_LAST_SECONDS: Final = 1.0
"""What a request gets to end after it was cancelled at the end of the drain."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Site:
    application: web.Application
    host: str
    port: int
    setting: str
    """Names the port where it is taken."""


@asynccontextmanager
async def listening(*sites: Site) -> AsyncIterator[list[int]]:
    """Serves the sites while the block runs, and yields the ports that they got."""
    async with AsyncExitStack() as stack:
        yield [await _start(site, stack) for site in sites]


async def _start(site: Site, stack: AsyncExitStack) -> int:
    runner = Runner(site.application, access_log=None, handle_signals=False, shutdown_timeout=_LAST_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, site.host, site.port, reuse_address=True).start()
    except OSError as error:
        raise ServiceError(f"{site.setting}: {_why(error, site)}") from error
    return int(runner.addresses[0][1])


def _why(error: OSError, site: Site) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {site.port} is in use on {site.host}; choose another, or stop what listens there"
    return f"cannot listen on {site.host} port {site.port}: {error.strerror or error}"


async def drain(lifecycle: Lifecycle, *, seconds: float = DRAIN_SECONDS) -> None:
    """Says so in /health/ready at once; returns when nothing is under way, or when the time is over."""
    lifecycle.draining = True
    _log.info("draining", in_flight=lifecycle.in_flight)
    try:
        async with asyncio.timeout(seconds):
            await lifecycle.idle()
    except TimeoutError:
        _log.warning("requests are cut off at the end of the drain", in_flight=lifecycle.in_flight)
