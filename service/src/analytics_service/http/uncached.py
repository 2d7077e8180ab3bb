"""Responds to what is never cached: in a transaction of its own, which is committed before the answer is sent."""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from aiohttp import hdrs, web

from analytics_service import __version__
from analytics_service.contract.endpoint import Call, Command, Result, Row, Transaction, Uncached
from analytics_service.contract.parameters import P
from analytics_service.database.query import Query
from analytics_service.http import envelope, request_keys
from analytics_service.http.admitted import Admitted
from analytics_service.http.context import CONTEXT
from analytics_service.http.services import Services

_log = structlog.get_logger(__name__)
_SHARE_FOR_MORE: Final = 0.5
"""Of a request's time: another transaction is begun within it, and the rest is left for that one to end."""


async def respond(
    endpoint: Uncached[P], services: Services, request: web.Request, admitted: Admitted[P]
) -> web.StreamResponse:
    context, started = request[CONTEXT], time.perf_counter()
    with context.timed("db"), services.metrics.queries.labels(endpoint.name).time():
        result = await _run(endpoint, services, request, admitted)
        while result.more and context.elapsed < services.statement_seconds * _SHARE_FOR_MORE:
            result = await _run(endpoint, services, request, admitted)
    if result.log is not None:
        _log.info(**result.log)
    body = await envelope.body(
        result,
        sign=partial(services.cursors.sign, admitted.principal, endpoint.path, admitted.params),
        bulk_lock=services.answers.bulk_lock,
        meta={
            "timestamp": datetime.now(UTC),
            "request_id": context.request_id,
            "execution_time_ms": round((time.perf_counter() - started) * 1000, 3),
            "cached": False,
            "version": __version__,
        },
    )
    return web.Response(
        status=endpoint.status if isinstance(endpoint, Command) else 200,
        body=body,
        headers={hdrs.CACHE_CONTROL: "no-store"},
        content_type="application/json",
        charset="utf-8",
    )


async def _run(endpoint: Uncached[P], services: Services, request: web.Request, admitted: Admitted[P]) -> Result:
    writes = isinstance(endpoint, Command)
    key = request_keys.request_key(request) if isinstance(endpoint, Command) and endpoint.takes_request_key else None
    async with calling(services, request, admitted, readonly=not writes, request_key=key) as call:
        return await endpoint.run(call)


@asynccontextmanager
async def calling(
    services: Services, request: web.Request, admitted: Admitted[P], *, readonly: bool, request_key: str | None = None
) -> AsyncIterator[Call[P]]:
    """The request as an endpoint takes it, in one transaction, which is undone where the block raises."""
    left = max(services.statement_seconds - request[CONTEXT].elapsed, 0)
    begin = partial(services.database.transaction, readonly=readonly, timeout=left)
    async with AsyncExitStack() as stack:
        yield Call(
            principal=admitted.principal,
            params=admitted.params,
            now=admitted.now,
            random_bytes=secrets.token_bytes,
            exports=services.exports,
            request_key=request_key,
            transaction=_Lazy(lambda: stack.enter_async_context(begin())),
            content=services.content.within(admitted.principal.content).policy(None),
        )


class _Lazy:
    """A Transaction that takes no connection before its first statement: who asks the store nothing needs none."""

    def __init__(self, begin: Callable[[], Awaitable[Transaction]]) -> None:
        self._begin = begin
        self._open: Transaction | None = None

    async def fetch(self, query: Query) -> Sequence[Row]:
        if self._open is None:
            self._open = await self._begin()
        return await self._open.fetch(query)
