"""Where the API server is and who we are: the pod's service account, else the kubeconfig of whoever runs this."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import aiohttp
import kopf
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from analytics_operator.errors import UsageError


async def configuration() -> Configuration:
    """Of our own client."""
    found = Configuration()
    try:
        config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=found)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise UsageError(
                f"no API server: neither in a pod nor a usable kubeconfig ({error}); set KUBECONFIG"
            ) from error
    return found


Answered = Callable[[str, int], None]
"""Told the plural of a kind and the status of every answer to its list or watch."""

Relisted = Callable[[], Awaitable[None]]
"""Told when a watch could not go on where it ended: no event tells what was deleted meanwhile."""


async def login(answered: Answered, relisted: Relisted, **context: Any) -> kopf.AiohttpSession | None:
    """Of kopf's watches, from the same two places; called again when a token is not accepted any more."""
    found = kopf.login_with_service_account(**context) or kopf.login_with_kubeconfig(**context)
    if found is None:
        return None
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        middlewares=(Informer(answered, relisted),),
    )
    return kopf.AiohttpSession(server=found.server, priority=found.priority, aiohttp_session=session)


class Informer:
    """What kopf's lists and watches lack: a pace, and a way on when the API server forgot where they were.

    The same request is sent once a second at most: kopf opens a watch again at once, also one that was ended at once.
    410 would end kopf: a list begins anew, and a watch begins with what there is now.
    """

    def __init__(self, answered: Answered, relisted: Relisted) -> None:
        self._answered = answered
        self._relisted = relisted
        self._next: dict[tuple[str, bool], float] = {}

    async def __call__(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if "continue" in request.url.query:
            response = await send(request)
            if response.status == HTTPStatus.GONE:
                response.release()
                raise aiohttp.ClientPayloadError("the list took longer than its snapshot is kept")
            return response
        watch = "watch" in request.url.query
        again = await self._pace((request.url.path, watch))
        response = await send(request)
        if watch and response.status == HTTPStatus.GONE:
            response.release()
            request.url = request.url.without_query_params("resourceVersion")
            response = await send(request)
            await self._relisted()
        elif again and not watch and response.ok:
            await self._relisted()
        self._answered(request.url.name, response.status)
        return response

    async def _pace(self, what: tuple[str, bool]) -> bool:
        """Returns when the request may be sent; whether it was sent before."""
        again, now = what in self._next, time.monotonic()
        start = max(self._next.get(what, now), now)
        self._next[what] = start + 1
        await asyncio.sleep(start - now)
        return again
