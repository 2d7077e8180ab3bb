"""The informer's connection: kopf's login, and the pacing of its lists and watches."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import aiohttp
import kopf

OnResponse = Callable[[str, str, int], None]
"""Called with namespace, plural of the kind, and status of every answer to a list or watch; no namespace: all."""

OnRelist = Callable[[], Awaitable[None]]
"""Called when a watch could not go on where it ended: no event tells what was deleted meanwhile."""


async def login(on_response: OnResponse, on_relist: OnRelist, **context: Any) -> kopf.AiohttpSession | None:
    """Credentials of kopf's watches, from the places that our own client uses; called again when a token expires."""
    found = kopf.login_with_service_account(**context) or kopf.login_with_kubeconfig(**context)
    if found is None:
        return None
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        middlewares=(InformerMiddleware(on_response, on_relist),),
    )
    return kopf.AiohttpSession(server=found.server, priority=found.priority, aiohttp_session=session)


class InformerMiddleware:
    """Paces kopf's lists and watches, and restarts those that the API server cannot continue.

    The same request is sent once a second at most: kopf opens a watch again at once, also one that was ended at once.
    410 would end kopf: a list begins again, and a watch begins with what there is now.
    """

    def __init__(self, on_response: OnResponse, on_relist: OnRelist) -> None:
        self._on_response = on_response
        self._on_relist = on_relist
        self._not_before: dict[tuple[str, bool], float] = {}

    async def __call__(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if "continue" in request.url.query:
            response = await send(request)
            if response.status == HTTPStatus.GONE:
                response.release()
                raise aiohttp.ClientPayloadError("the list took longer than its snapshot is kept")
            return response
        watch = "watch" in request.url.query
        repeated = await self._pace((request.url.path, watch))
        response = await send(request)
        if watch and response.status == HTTPStatus.GONE:
            response.release()
            request.url = request.url.without_query_params("resourceVersion")
            response = await send(request)
            await self._on_relist()
        elif repeated and not watch and response.ok:
            await self._on_relist()
        self._on_response(_namespace(request.url.path), request.url.name, response.status)
        return response

    async def _pace(self, request: tuple[str, bool]) -> bool:
        """Returns when the request may be sent; whether it was sent before."""
        repeated, now = request in self._not_before, time.monotonic()
        start = max(self._not_before.get(request, now), now)
        self._not_before[request] = start + 1
        await asyncio.sleep(start - now)
        return repeated


def _namespace(path: str) -> str:
    """Of a list or watch; empty where it is of all namespaces."""
    _, _, after = path.partition("/namespaces/")
    return after.partition("/")[0]
