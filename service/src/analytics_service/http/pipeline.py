"""What an endpoint declares, in order: authenticate, permit, limit, parse, cache, query, answer."""

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Final

from aiohttp import web

from analytics_service.auth.authenticate import permit
from analytics_service.cache import answers
from analytics_service.cache.stale import STALE_SECONDS
from analytics_service.contract import parameters
from analytics_service.contract.endpoint import Endpoint, Method, Moment
from analytics_service.contract.parameters import P
from analytics_service.contract.principal import Principal
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.http import bodies, envelope
from analytics_service.http.context import CONTEXT, Repeatable, RequestContext
from analytics_service.http.read_through import Question, look_up
from analytics_service.http.services import Services
from analytics_service.rate_limit.headers import headers
from analytics_service.units import times

OPEN_SECONDS: Final = 15
"""The longest life of an answer whose range reaches the minute that is still being written."""


def handler(endpoint: Endpoint[P], services: Services) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return await respond(endpoint, services, request)
        except RequestError as error:
            if endpoint.method is Method.GET:
                raise
            raise error.of_body() from None

    return handle


async def respond(endpoint: Endpoint[P], services: Services, request: web.Request) -> web.Response:
    context, now = request[CONTEXT], datetime.now(UTC)
    with context.timed("auth"):
        verified = await services.authenticator.authenticate(request.headers, now)
        principal = verified.principal
        permit(principal, endpoint.permission)
        await admit(services, context, principal, now)
        params = parameters.parse(endpoint.params, await given(endpoint, request), now=now)
        params = services.cursors.resume(principal, endpoint.path, params)
    question = Question(
        endpoint=endpoint,
        principal=principal,
        params=params,
        seconds=lifetime(endpoint, params, Moment(now=now, default_ttl=services.default_ttl)),
    )
    anew = "no-cache" in request.headers.get("Cache-Control", "")
    found = await look_up(services, context, question, anew=anew)
    if anew or found.tier is answers.Tier.STALE:
        return delivered(services, request, found)
    expires, moves_on = (
        time.monotonic() + (moment - now).total_seconds() for moment in (verified.expires, times.next_step(now))
    )
    until = min(services.versions.known_until(principal.organisation), moves_on)
    context.repeatable = Repeatable(
        until=min(until, expires),
        stale_until=min(until + STALE_SECONDS, expires),
        admit=partial(services.limiter.take, principal),
    )
    return delivered(services, request, found)


async def given(endpoint: Endpoint[P], request: web.Request) -> Iterable[tuple[str, object]]:
    """The parameters as they were sent."""
    if endpoint.method is Method.GET:
        return chain(request.match_info.items(), request.query.items())
    for name in request.query:
        field = parameters.shown(name)
        raise RequestError(Problem.UNKNOWN_PARAMETER, f"{field} must be a member of the body", field=field)
    return chain(request.match_info.items(), (await bodies.read(request)).items())


async def admit(services: Services, context: RequestContext, principal: Principal, now: datetime) -> None:
    """Returns when the principal's rate allows one more request; its headers go out either way."""
    admission = await services.limiter.admit(principal)
    context.headers.update(headers(admission, now))
    if not admission.admitted:
        services.metrics.limited.labels(principal.role).inc()
        raise RequestError(
            Problem.RATE_LIMIT_EXCEEDED,
            f"{principal.role} tokens may make {admission.limit.per_minute} requests a minute; see Retry-After",
        )


def lifetime(endpoint: Endpoint[P], params: P, moment: Moment) -> int:
    """Seconds that the answer may be kept; few when rows of its range may still arrive in order."""
    seconds = endpoint.cache_for(params, moment)
    reaches_open_bucket = params.range.end > moment.now - times.OPEN_BUCKET
    return min(seconds, OPEN_SECONDS) if reaches_open_bucket else seconds


def delivered(services: Services, request: web.Request, found: answers.Found) -> web.Response:
    """The stored body, or 304 when the client has it; counted, with what the cache did in Cache-Status."""
    hit = found.tier is not answers.Tier.NONE
    if hit:
        services.metrics.cache_hits.labels(found.tier).inc()
    else:
        services.metrics.cache_misses.inc()
    collapsed = "; collapsed" if found.shared else ""
    stale = "; ttl=-1" if found.tier is answers.Tier.STALE else ""
    said = f"hit{stale}; detail={found.tier}" if hit else "fwd=miss; stored"
    tag = f'"{found.stored.tag}"'
    headers_ = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",  # to be kept, and asked for again with its tag: a late row shows at once
        "Cache-Status": f"analytics; {said}{collapsed}",
        "Vary": "Authorization",
    }
    if envelope.matches(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers_)
    return web.Response(body=found.stored.body, headers=headers_, content_type="application/json", charset="utf-8")
