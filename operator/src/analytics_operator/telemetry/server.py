"""The operator's own port: /healthz, /readyz and /metrics. It answers before and after this replica leads."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@asynccontextmanager
async def serving(
    *, port: int, registry: CollectorRegistry, ready: Callable[[], bool], silent: Callable[[], tuple[str, ...]]
) -> AsyncIterator[int]:
    """The port that answers, until the block ends."""

    async def healthz(_: web.Request) -> web.Response:
        if kinds := silent():
            return web.Response(status=503, text=f"the watch of {', '.join(kinds)} delivers nothing\n")
        return web.Response(text="ok\n")  # that the event loop answers is the other half of the check

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(status=503, text="not ready\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, every_address(port)).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def every_address(port: int) -> socket.socket:
    """Listens on the addresses of both families: those of IPv4 alone where the machine has no IPv6."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - a pod is reached by all of its addresses
