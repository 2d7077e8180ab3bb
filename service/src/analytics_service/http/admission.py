"""Who may ask: every request is authenticated, permitted and limited the same way."""

from datetime import datetime
from typing import Any

from aiohttp import web

from analytics_service.auth.authenticate import permit
from analytics_service.auth.tokens import Verified
from analytics_service.contract.endpoint import Download, Endpoint
from analytics_service.contract.exports import MAX_LINK_CHARACTERS
from analytics_service.contract.principal import Principal
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.http.context import CONTEXT, RequestContext
from analytics_service.http.services import Services
from analytics_service.rate_limit.gcra import Admission
from analytics_service.rate_limit.headers import headers


async def authorize(endpoint: Endpoint[Any], services: Services, request: web.Request, now: datetime) -> Verified:
    """Authenticates, permits and limits, in this order; RequestError at the first that fails."""
    verified = _by_link(endpoint, services, request, now)
    if verified is None:
        verified = await services.authenticator.authenticate(request.headers, now)
    permit(verified.principal, endpoint.permission)
    _limit(services, request[CONTEXT], verified.principal, await services.limiter.admit(verified.principal), now)
    return verified


def _by_link(endpoint: Endpoint[Any], services: Services, request: web.Request, now: datetime) -> Verified | None:
    """Returns whom the link of a download stands for; None where there is none."""
    link = request.query.get("link")
    if link is None or services.exports is None or not isinstance(endpoint, Download):
        return None
    principal = services.exports.links.principal(link[:MAX_LINK_CHARACTERS], request.match_info["job_id"], now)
    return Verified(principal=principal, expires=principal.expires_at or now)


async def weigh(services: Services, context: RequestContext, principal: Principal, weight: int, now: datetime) -> None:
    """Returns when the principal's rate allows what the request counts as, beyond the one that it was admitted as."""
    if (admission := await services.limiter.weigh(principal, weight)) is not None:
        _limit(services, context, principal, admission, now)


def _limit(
    services: Services, context: RequestContext, principal: Principal, admission: Admission, now: datetime
) -> None:
    """RequestError where the principal was not admitted; its headers go out either way."""
    context.headers.update(headers(admission, now))
    if not admission.admitted:
        services.metrics.limited.labels(principal.role).inc()
        who = f"{principal.role} tokens" if principal.key is None else "this API key"
        raise RequestError(
            Problem.RATE_LIMIT_EXCEEDED,
            f"{who} may make {admission.limit.per_minute} requests a minute, and a question of single requests counts "
            "as several; see Retry-After",
        )
