"""Where the API server is and who we are: the pod's service account, else the kubeconfig of whoever runs this."""

import asyncio
import time
from collections.abc import Callable
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


async def login(answered: Answered, **context: Any) -> kopf.AiohttpSession | None:
    """Of kopf's watches, from the same two places; called again when a token is not accepted any more."""
    found = kopf.login_with_service_account(**context) or kopf.login_with_kubeconfig(**context)
    if found is None:
        return None
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        middlewares=(_Pace(answered),),
    )
    return kopf.AiohttpSession(server=found.server, priority=found.priority, aiohttp_session=session)


class _Pace:
    """The same request once a second at most: kopf opens a watch again at once, also one that was ended at once."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._next: dict[tuple[str, bool], float] = {}

    async def __call__(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if "continue" in request.url.query:  # the next chunk of a list
            return await send(request)
        what = (request.url.path, "watch" in request.url.query)
        now = time.monotonic()
        start = max(self._next.get(what, now), now)
        self._next[what] = start + 1
        await asyncio.sleep(start - now)
        response = await send(request)
        self._answered(request.url.name, response.status)
        return response
