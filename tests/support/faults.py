"""A proxy before the real API server that fails on purpose: what passes is real, what does not is a test's choice."""

import asyncio
import collections
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import aiohttp
from aiohttp import web

from tests.support.kube import KubeApi


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to a request instead of, or before, being passed on."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    slow: float = 0.0
    """Seconds."""
    expired: bool = False
    """A watch is told that its resourceVersion is too old, as the API server does: by an event."""
    cut: bool = False
    """The connection ends without an answer."""


Choose = Callable[[str, str], Fault | None]
"""The fault for a method and a path with its query."""


class Proxy:
    """Plain HTTP on loopback; its faults may be changed at any time by the thread of the test."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.choose: Choose = lambda _method, _path: None
        self.asked: collections.Counter[tuple[str, str]] = collections.Counter()
        """Every request, by method and path without its query."""
        self.passed: collections.Counter[tuple[str, str]] = collections.Counter()
        """Those that the API server saw."""
        self._watches: set[asyncio.Transport | None] = set()
        self._silent: set[asyncio.Transport | None] = set()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._started = threading.Event()
        self.port = 0

    @property
    def api(self) -> KubeApi:
        """The client that goes through the proxy."""
        return replace(self._api, server=f"http://127.0.0.1:{self.port}")

    def cut_watches(self) -> None:
        """Ends every open watch in the middle."""
        self._loop.call_soon_threadsafe(self._cut)

    def silence_watches(self) -> None:
        """Nothing comes through the watches that are open now, and they stay open."""
        self._loop.call_soon_threadsafe(lambda: self._silent.update(self._watches))

    def _cut(self) -> None:
        for transport in self._watches:
            if transport:
                transport.abort()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body, what = await request.read(), (request.method, request.path)
        self.asked[what] += 1
        fault = self.choose(request.method, request.path_qs)
        if fault:
            await asyncio.sleep(fault.slow)
            if fault.expired:
                gone = {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old"}
                return web.json_response({"type": "ERROR", "object": gone})
            if fault.cut and request.transport:
                request.transport.abort()
            if fault.cut or fault.status:
                said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "as the test wants it"}
                return web.json_response(
                    said | {"code": fault.status}, status=fault.status or 500, headers=fault.headers
                )
        self.passed[what] += 1
        return await self._pass_on(request, body)

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name not in {"Host", "Accept-Encoding"}}
        watch = "watch=true" in request.query_string
        timeout = aiohttp.ClientTimeout(total=None if watch else 4, sock_connect=4)
        async with self._session.request(
            request.method, self._api.server + request.path_qs, data=body or None, headers=headers, timeout=timeout
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            transport = request.transport
            if transport and watch:
                self._watches.add(transport)
            try:
                async for chunk in answer.content.iter_any():
                    if transport not in self._silent:
                        await response.write(chunk)
            except (aiohttp.ClientError, ConnectionError):
                pass  # either side is gone
            finally:
                self._watches -= {transport}
                self._silent -= {transport}
            return response

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        tls = ssl.create_default_context(cafile=str(self._api.ca))
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            app = web.Application(client_max_size=2**24)
            app.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._started.set()
            await self._stopped.wait()
            await runner.cleanup()

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.run)
        thread.start()
        self._started.wait(10)
        return thread

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)


@contextmanager
def proxied(api: KubeApi) -> Iterator[Proxy]:
    """A proxy before that API server, until the block ends."""
    proxy = Proxy(api)
    thread = proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)


def share(every: int, fault: Fault) -> Choose:
    """The fault for one of `every` requests that are no watches; the others pass."""
    count = 0

    def choose(_method: str, path: str) -> Fault | None:
        nonlocal count
        if "watch=true" in path:
            return None
        count += 1
        return fault if count % every == 0 else None

    return choose
