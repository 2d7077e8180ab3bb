"""Responds to a Read: from the cache or the store, with an ETag, and marked where it may be replayed."""

import time
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from analytics_service.cache import codings
from analytics_service.cache.answers import CacheResult, Tier
from analytics_service.cache.codings import Coding
from analytics_service.contract.endpoint import Moment, Read
from analytics_service.contract.parameters import P
from analytics_service.http import envelope
from analytics_service.http.admitted import Admitted
from analytics_service.http.context import CONTEXT, Repeatable
from analytics_service.http.read_through import Question, look_up
from analytics_service.http.services import Services
from analytics_service.units import times
from analytics_service.units.freshness import FRESHNESS

CONDITIONAL: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
"""RFC 9110 has 304 for these methods only: a POST that asks is always answered."""


async def respond(
    endpoint: Read[P], services: Services, request: web.Request, admitted: Admitted[P]
) -> web.StreamResponse:
    context, now, principal = request[CONTEXT], admitted.now, admitted.principal
    question = Question(
        endpoint=endpoint,
        principal=principal,
        params=admitted.params,
        seconds=lifetime(endpoint, admitted.params, Moment(now=now, default_ttl=services.default_ttl)),
        coding=codings.accepted(request.headers.get(hdrs.ACCEPT_ENCODING, "")),
        cursor_key=services.cursors.key_id if endpoint.paged else "",
    )
    no_cache = "no-cache" in request.headers.get("Cache-Control", "")
    found = await look_up(services, context, question, no_cache=no_cache)
    if not no_cache and found.tier is Tier.MEMORY:  # asked a second time: most that is asked once never comes again
        expires, next_step = (
            time.monotonic() + (moment - now).total_seconds() for moment in (admitted.expires, times.next_step(now))
        )
        until = min(services.versions.known_until(principal.organisation), next_step)
        context.repeatable = Repeatable(
            until=min(until, expires),
            stale_until=min(until + FRESHNESS.stale_seconds, expires),
            admit=partial(services.limiter.take, principal, endpoint.weigh(admitted.params)),
        )
    return _response(services, request, found)


def lifetime(endpoint: Read[P], params: P, moment: Moment) -> int:
    """Returns the TTL in seconds; short where rows of the range may still arrive in order."""
    seconds = endpoint.cache_for(params, moment)
    reaches_open_bucket = params.range.end > moment.now - FRESHNESS.open_bucket
    return min(seconds, FRESHNESS.open_ttl_seconds) if reaches_open_bucket else seconds


def _response(services: Services, request: web.Request, found: CacheResult) -> web.Response:
    """Returns the stored body, or 304 where the client has it; counts the hit or miss, and names it in Cache-Status."""
    hit = found.tier is not Tier.NONE
    if hit:
        services.metrics.cache_hits.labels(found.tier).inc()
    else:
        services.metrics.cache_misses.inc()
    collapsed = "; collapsed" if found.shared else ""
    stale = "; ttl=-1" if found.tier is Tier.STALE else ""
    status = f"hit{stale}; detail={found.tier}" if hit else "fwd=miss; stored"
    tag = f'"{found.stored.tag}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",  # to be kept, and asked for again with its tag: a late row shows at once
        "Cache-Status": f"analytics; {status}{collapsed}",
        "Vary": "Authorization, X-API-Key, Accept-Encoding",
    }
    if found.stored.coding is not Coding.IDENTITY:
        headers["Content-Encoding"] = found.stored.coding.value
    if request.method in CONDITIONAL and envelope.matches(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.stored.body, headers=headers, content_type="application/json", charset="utf-8")
