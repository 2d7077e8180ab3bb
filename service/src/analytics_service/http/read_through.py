"""Looks an answer up in memory, Redis and the database, in this order; serves stale while it revalidates."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Generic

from analytics_service import __version__
from analytics_service.cache import answers
from analytics_service.cache.answers import CacheResult, Tier
from analytics_service.cache.codings import Coding
from analytics_service.contract.endpoint import Answer, Read, Row
from analytics_service.contract.parameters import P
from analytics_service.contract.principal import Principal
from analytics_service.http import envelope
from analytics_service.http.context import RequestContext
from analytics_service.http.services import Services
from analytics_service.rollups.repricing import Repricing


@dataclass(frozen=True, kw_only=True)
class Question(Generic[P]):
    """A read and its caller."""

    endpoint: Read[P]
    principal: Principal
    params: P
    seconds: int
    """TTL of its answer."""

    coding: Coding
    """That its client accepts."""
    cursor_key: str
    """Identifies the key of the cursors in its answer; empty where it has none."""

    def key(self, version: str) -> str:
        """Returns the cache key of the answer at one version of the rows."""
        return self._key(self._identity, version)

    @cached_property
    def _identity(self) -> bytes:
        return self.params.identity()

    @cached_property
    def wording_key(self) -> str:
        """Cache key that stays the same while `now` moves on and rows change; each coding has its own."""
        return self._key(self.params.wording(), self.coding)

    def _key(self, *parts: str | bytes) -> str:
        more = self.endpoint.shows_more_with
        shown = more if more is not None and more in self.principal.permissions else ""
        return answers.key(self.principal, self.endpoint.path, self.cursor_key, shown, *parts)


async def look_up(services: Services, context: RequestContext, question: Question[P], *, no_cache: bool) -> CacheResult:
    """Returns an answer that is at most FRESHNESS.max_age_seconds old; with `no_cache` as of now."""
    organisation, span = question.principal.organisation, question.params.range
    if no_cache:
        with context.timed("version"):
            await services.versions.renew(organisation)
        return await _fresh(services, context, question)
    version = services.versions.known(organisation, *span)
    if version is not None and (held := services.answers.in_memory(question.key(version), question.coding)) is not None:
        return held
    asked = question.wording_key
    if (stale := services.stale.get(asked)) is not None:
        services.stale.refresh(asked, partial(_fresh, services, context, question))
        return CacheResult(stale, Tier.STALE, shared=False)
    return await _fresh(services, context, question)


async def _fresh(services: Services, context: RequestContext, question: Question[P]) -> CacheResult:
    organisation, span = question.principal.organisation, question.params.range
    with context.timed("version"):
        version = await services.versions.version(organisation, *span)
    fresh_until = services.versions.known_until(organisation)
    repricing = services.versions.repricing(organisation, *span)
    with context.timed("answer"):
        found = await services.answers.get_or(
            question.key(version),
            partial(_compute, services, context, question, repricing),
            seconds=question.seconds,
            coding=question.coding,
        )
    services.stale.put(question.wording_key, found.stored, fresh_until=fresh_until)
    return found


async def _compute(
    services: Services, context: RequestContext, question: Question[P], repricing: Repricing | None
) -> bytes:
    """Computes the finished body, which depends on nothing that the cache key lacks."""
    endpoint, principal, params = question.endpoint, question.principal, question.params
    started = time.perf_counter()
    with context.timed("db"), services.metrics.queries.labels(endpoint.name).time():
        left = max(services.statement_seconds - context.elapsed, 0)
        place = services.versions.lsn(principal.organisation)
        rows = await services.reader.fetch(endpoint.query(principal, params), lsn=place, timeout=left)
    answer = await _answer(question, rows, bulk_lock=services.answers.bulk_lock)
    now = datetime.now(UTC)
    return await envelope.body(
        answer,
        sign=partial(services.cursors.sign, principal, endpoint.path, params),
        bulk_lock=services.answers.bulk_lock,
        meta={
            "timestamp": now,
            "request_id": context.request_id,
            "execution_time_ms": round((time.perf_counter() - started) * 1000, 3),
            "cached": False,
            "version": __version__,
            "source": answer.source,
            "watermark": answer.watermark,
            **envelope.completeness(answer, params.range, now),
            **envelope.coverage(answer),
            **envelope.repricing(answer, repricing),
        },
    )


async def _answer(question: Question[P], rows: Sequence[Row], *, bulk_lock: asyncio.Lock) -> Answer:
    """Makes the answer; one of many rows in a thread, so that the loop turns every few milliseconds."""
    endpoint, params = question.endpoint, question.params
    if len(rows) <= endpoint.max_loop_rows:
        return endpoint.answer(params, rows)
    async with bulk_lock:
        return await asyncio.to_thread(endpoint.answer, params, rows)
