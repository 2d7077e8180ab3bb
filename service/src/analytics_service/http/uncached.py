"""Responds to what is never cached: in a transaction of its own, which is committed before the answer is sent."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from aiohttp import hdrs, web

from analytics_service import __version__
from analytics_service.contract.endpoint import Call, Command, Result, Row, Transaction, Uncached
from analytics_service.contract.parameters import P
from analytics_service.database.query import Query
from analytics_service.http import envelope
from analytics_service.http.admitted import Admitted
from analytics_service.http.context import CONTEXT, RequestContext
from analytics_service.http.services import Services

_log = structlog.get_logger(__name__)
_SHARE_FOR_MORE: Final = 0.5
"""Of a request's time: another transaction is begun within it, and the rest is left for that one to end."""


async def respond(
    endpoint: Uncached[P], services: Services, request: web.Request, admitted: Admitted[P]
) -> web.StreamResponse:
    context, started = request[CONTEXT], time.perf_counter()
    with context.timed("db"), services.metrics.queries.labels(endpoint.name).time():
        result = await _run(endpoint, services, context, admitted)
        while result.more and context.elapsed < services.statement_seconds * _SHARE_FOR_MORE:
            result = await _run(endpoint, services, context, admitted)
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


async def _run(endpoint: Uncached[P], services: Services, context: RequestContext, admitted: Admitted[P]) -> Result:
    """In one transaction."""
    left = max(services.statement_seconds - context.elapsed, 0)
    begin = partial(services.database.transaction, readonly=not isinstance(endpoint, Command), timeout=left)
    async with AsyncExitStack() as stack:
        call = Call(
            principal=admitted.principal,
            params=admitted.params,
            now=admitted.now,
            random_bytes=secrets.token_bytes,
            transaction=_Lazy(lambda: stack.enter_async_context(begin())),
            content=services.content.within(admitted.principal.content).policy(None),
        )
        return await endpoint.run(call)


class _Lazy:
    """A Transaction that takes no connection before its first statement: who asks the store nothing needs none."""

    def __init__(self, begin: Callable[[], Awaitable[Transaction]]) -> None:
        self._begin = begin
        self._open: Transaction | None = None

    async def fetch(self, query: Query) -> Sequence[Row]:
        if self._open is None:
            self._open = await self._begin()
        return await self._open.fetch(query)
