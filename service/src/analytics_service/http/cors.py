"""Cross-origin requests: any origin without credentials, or the named ones with them."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_METHODS: Final = "GET, POST, DELETE, OPTIONS"
_HEADERS: Final = (
    "Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-None-Match, If-Range, Range, X-API-Key, "
    "X-Request-ID, traceparent"
)
_EXPOSED: Final = (
    "Accept-Ranges, Cache-Status, Content-Disposition, Content-Range, ETag, Idempotency-Replayed, RateLimit, "
    "RateLimit-Policy, Retry-After, Server-Timing, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "X-Request-ID"
)


def cors(origins: tuple[str, ...]) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        allowed = allowance(origins, request.headers.get(hdrs.ORIGIN))
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in allowed and _is_preflight(request):
            return web.Response(status=204, headers={**allowed, **_PREFLIGHT})
        response = await handler(request)
        if hdrs.VARY in response.headers and hdrs.VARY in allowed:
            allowed = {**allowed, hdrs.VARY: f"{response.headers[hdrs.VARY]}, {allowed[hdrs.VARY]}"}
        response.headers.update(allowed)
        return response

    return middleware


def allowance(origins: tuple[str, ...], origin: str | None) -> dict[str, str]:
    """The headers that let `origin` read an answer; none for an origin that is not allowed to."""
    if origin is None:
        return {}
    if origins == ("*",):
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
    if origin not in origins:
        return {hdrs.VARY: "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": _EXPOSED,
        hdrs.VARY: "Origin",
    }


_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": _METHODS,
    "Access-Control-Allow-Headers": _HEADERS,
    "Access-Control-Max-Age": "600",
}


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
