"""Middleware of every request: id, security headers, timings, metrics, access log, and errors as problems."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from analytics_service.contract import problems
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.errors import DatabaseError
from analytics_service.http import context
from analytics_service.http.context import CONTEXT, RequestContext
from analytics_service.telemetry.metrics import Metrics
from analytics_service.units import decimals

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RESPONSE_HEADERS: Final = {
    "Server": "analytics-service",  # else it names our libraries and their versions
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_HSTS: Final = "max-age=31536000; includeSubDomains"
_PROBE_PATHS: Final = frozenset({"/health", "/health/live", "/health/ready", "/health/startup"})
"""Asked every few seconds by the kubelet: logged only at level debug."""

_UNREAD_BODY_STATUSES: Final = frozenset({408, 413})
"""The rest of such a request is not read: the connection is closed."""

_log = structlog.get_logger(__name__)


def instrument(metrics: Metrics) -> Middleware:
    """Adds the request id, security headers and timings to every response, counts it and logs it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        known = request[CONTEXT] = context.from_request(request)
        with structlog.contextvars.bound_contextvars(**known.log_fields()):
            response = await handler(request)
            response.headers.update(known.headers)
            for name, value in RESPONSE_HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers["X-Request-ID"] = known.request_id
            response.headers["Server-Timing"] = known.server_timing()
            if request.headers.get("X-Forwarded-Proto") == "https":
                response.headers["Strict-Transport-Security"] = _HSTS
            metrics.observe_request(request.method, route(request), response.status, known.elapsed)
            log_request(
                request.method, route(request), response.status, known.elapsed, probe=request.path in _PROBE_PATHS
            )
        return response

    return middleware


def errors(metrics: Metrics) -> Middleware:
    """The one boundary at which errors become problems."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        outcome = await _response_or_error(request, handler)
        if isinstance(outcome, RequestError):
            metrics.problems.labels(outcome.problem.name).inc()
            return _problem(request, request[CONTEXT], outcome)
        return outcome

    return middleware


async def _response_or_error(request: web.Request, handler: Handler) -> web.StreamResponse | RequestError:
    """Returns the response, or the error that the client gets instead."""
    try:
        return await handler(request)
    except RequestError as error:
        return error
    except DatabaseError as error:
        refusal = problems.from_database_error(error)
        if refusal.status >= 500:
            _log.error("the database failed", error_code=refusal.problem.name, cause=str(error))
        return refusal
    except web.HTTPException as error:
        return _from_http_exception(error)
    except Exception:  # noqa: BLE001 - the outermost boundary: a client gets a body for defects too
        _log.exception("a request failed unexpectedly", route=route(request))
        return RequestError(Problem.INTERNAL_ERROR, "the log has the cause under this request id")


def _from_http_exception(error: web.HTTPException) -> RequestError:
    refusal = problems.from_http_status(error.status)
    detail = {
        Problem.ROUTE_NOT_FOUND: "there is nothing at this path; GET /openapi.json lists what there is",
        Problem.METHOD_NOT_ALLOWED: f"this path answers to {error.headers.get(hdrs.ALLOW, 'other methods')}",
    }.get(refusal.problem, refusal.detail)
    headers = {"Allow": error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
    return RequestError(refusal.problem, detail, headers=headers, status=refusal.status)


def _problem(request: web.Request, known: RequestContext, error: RequestError) -> web.Response:
    members = problems.body(error, instance=request.path, request_id=known.request_id)
    response = web.Response(
        status=error.status,
        body=decimals.dumps(members),
        headers={**error.headers, hdrs.CACHE_CONTROL: "no-store"},
        content_type=problems.MEDIA_TYPE,
    )
    if error.status in _UNREAD_BODY_STATUSES:
        response.force_close()
    return response


def route(request: web.Request) -> str:
    """Returns the template of the path: clients could make any number of label values of the path itself."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def log_request(method: str, route_: str, status: int, seconds: float, *, probe: bool = False, **fields: str) -> None:
    """Writes the access log's line; of probes at level debug."""
    write = _log.debug if probe else _log.info
    write("request", method=method, route=route_, status=status, duration_ms=round(seconds * 1000, 3), **fields)
