"""Where an answer comes from: this process, Redis, or the database; at once where it is known, or was a moment ago."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Generic

from analytics_service import __version__
from analytics_service.cache import answers
from analytics_service.cache.answers import Found, Tier
from analytics_service.contract.endpoint import Endpoint
from analytics_service.contract.parameters import P
from analytics_service.contract.principal import Principal
from analytics_service.http import envelope
from analytics_service.http.context import RequestContext
from analytics_service.http.services import Services


@dataclass(frozen=True, kw_only=True)
class Question(Generic[P]):
    """What is asked, and by whom."""

    endpoint: Endpoint[P]
    principal: Principal
    params: P
    seconds: int
    """How long its answer may be kept."""

    def key(self, version: str) -> str:
        """Of the answer from rows of one version."""
        return answers.key(self.endpoint.path, self.principal, self.params.identity(), version)

    @property
    def asked(self) -> str:
        """Equal for questions in equal words, though `now` has moved on and rows have changed."""
        return answers.key(self.endpoint.path, self.principal, self.params.asked(), "")


async def look_up(services: Services, context: RequestContext, question: Question[P], *, anew: bool) -> Found:
    """The answer as of a moment between REMEMBERED_SECONDS + STALE_SECONDS ago and now; with `anew` as of now."""
    organisation, span = question.principal.organisation, question.params.range
    if anew:
        with context.timed("version"):
            await services.versions.renew(organisation)
        return await _fresh(services, context, question)
    version = services.versions.known(organisation, *span)
    if version is not None and (held := services.answers.held(question.key(version))) is not None:
        return held
    asked = question.asked
    if (stale := services.stale.get(asked)) is not None:
        services.stale.make(asked, partial(_fresh, services, context, question))
        return Found(stale, Tier.STALE, shared=False)
    return await _fresh(services, context, question)


async def _fresh(services: Services, context: RequestContext, question: Question[P]) -> Found:
    organisation, span = question.principal.organisation, question.params.range
    with context.timed("version"):
        version = await services.versions.version(organisation, *span)
    fresh_until = services.versions.known_until(organisation)
    with context.timed("answer"):
        found = await services.answers.get_or(
            question.key(version), partial(_compute, services, context, question), seconds=question.seconds
        )
    services.stale.keep(question.asked, found.stored, fresh_until=fresh_until)
    return found


async def _compute(services: Services, context: RequestContext, question: Question[P]) -> bytes:
    """The finished body, which says nothing of who asked beyond what the cache's key holds."""
    endpoint, principal, params = question.endpoint, question.principal, question.params
    started = time.perf_counter()
    with context.timed("db"), services.metrics.queries.labels(endpoint.name).time():
        left = max(services.statement_seconds - context.elapsed, 0)
        place = services.versions.place(principal.organisation)
        rows = await services.reader.fetch(endpoint.query(principal, params), lsn=place, timeout=left)
    answer = endpoint.answer(params, rows)
    now = datetime.now(UTC)
    page = envelope.pagination(services.cursors, principal, endpoint.path, params, answer.page)
    return envelope.body(
        answer,
        pagination=page,
        meta={
            "timestamp": now,
            "request_id": context.request_id,
            "execution_time_ms": round((time.perf_counter() - started) * 1000, 3),
            "cached": False,
            "version": __version__,
            "source": answer.source,
            "watermark": answer.watermark,
            "complete": params.range.end <= now and (answer.since is None or answer.since <= params.range.start),
        },
    )
