"""Responses by the bytes of their requests, sent for the same bytes without reading the request.

Most of what a cached answer costs is reading the request and making headers that come out the same. Here the key is the
request as it was received, and a response is stored while everything holds that it was made from: the version of the
rows (a second at most), the token, and the step of relative times. Each request is still limited, counted and logged.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from hashlib import sha256
from typing import Final
from uuid import uuid4

from aiohttp import HttpVersion11, hdrs, web

from analytics_service.cache.answers import Tier
from analytics_service.cache.memory import ByteBoundedLru
from analytics_service.http import middleware
from analytics_service.http.context import CONTEXT, RequestContext
from analytics_service.rate_limit.gcra import Admission
from analytics_service.rate_limit.headers import headers
from analytics_service.telemetry.metrics import Metrics
from analytics_service.units.freshness import FRESHNESS

MAX_REQUEST_BYTES: Final = 8 * 1024
_PER_REQUEST: Final = frozenset({"cache-status", "server-timing", "x-request-id"})
"""Headers that differ for every request, beside those of its rate limit."""
_FRESH: Final = f"analytics; hit; detail={Tier.MEMORY}"
_STALE: Final = f"analytics; hit; ttl=-1; detail={Tier.STALE}"
_CLIENT_IDS: Final = ("X-Request-ID", "traceparent")
"""Headers whose value a client changes with each request, so that its bytes never come a second time."""


@dataclass(kw_only=True, slots=True)
class StoredResponse:
    """A response without the headers that differ for every request."""

    head: str
    """The status line and the headers, without the empty line that ends them."""
    body: bytes
    route: str
    status: int
    admit: Callable[[], Admission | None]
    count: Callable[[float, str], None]
    fresh_until: float
    next_probe: float = 0.0
    """Once it is stale: when the next request is read instead of answered from here."""

    @property
    def weight(self) -> int:
        return len(self.head) + len(self.body)


class ReplayStore:
    """Of one application; holds at most `max_bytes` of responses."""

    def __init__(
        self,
        metrics: Metrics,
        draining: Callable[[], bool],
        *,
        max_bytes: int = 16 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._draining = draining
        self._clock = clock
        self._stored: ByteBoundedLru[bytes, StoredResponse] = ByteBoundedLru(max_bytes=max_bytes)

    def response(self, raw: bytes) -> bytes | None:
        """The whole response to a request of these bytes, counted as one; None where it has to be read."""
        started, now = time.perf_counter(), self._clock()
        stored = self._stored.get(_key(raw), now)
        if stored is None or self._draining():
            return None
        # Past `fresh_until` the rows may have changed. One request in `stale_probe_seconds` goes through the pipeline,
        # whose answer replaces this one; until then, and while the cache holds the entry, the others get this one.
        fresh = now < stored.fresh_until
        if not fresh and now >= stored.next_probe:
            stored.next_probe = now + FRESHNESS.stale_probe_seconds
            return None
        admission = stored.admit()
        if admission is None:
            return None
        request_id = str(uuid4())
        varying = {
            "Date": _date(int(time.time())),
            "X-Request-ID": request_id,
            "Cache-Status": _FRESH if fresh else _STALE,
            **headers(admission, datetime.now(UTC)),
        }
        spent = time.perf_counter() - started
        lines = "".join([f"{name}: {value}\r\n" for name, value in varying.items()])
        stored.count(spent, Tier.MEMORY if fresh else Tier.STALE)
        middleware.log_request("GET", stored.route, stored.status, spent, request_id=request_id)
        return f"{stored.head}{lines}Server-Timing: total;dur={spent * 1000:.3f}\r\n\r\n".encode() + stored.body

    def record(self, raw: bytes, request: web.Request, response: web.Response) -> None:
        """Stores the response to these bytes, unless the pipeline or the request forbids it."""
        context = request[CONTEXT]
        if context.repeatable is None or not _is_replayable(request, response):
            return
        body, route = response.body or b"", middleware.route(request)
        assert isinstance(body, bytes)  # noqa: S101 - the pipeline makes no other
        stored = StoredResponse(
            head=_head(response, context, len(body)),
            body=body,
            route=route,
            status=response.status,
            admit=context.repeatable.admit,
            count=self._metrics.request_observer(route, response.status, (Tier.MEMORY, Tier.STALE)),
            fresh_until=context.repeatable.until,
        )
        self._stored.put(_key(raw), stored, until=context.repeatable.stale_until)


def is_one_request(raw: bytes) -> bool:
    """Whether the bytes look like one whole GET and nothing after it.

    A bare newline is refused wherever it stands: a lenient parser ends a line there, and so sees another request.
    """
    return (
        raw.startswith(b"GET ")
        and len(raw) <= MAX_REQUEST_BYTES
        and raw.find(b"\r\n\r\n") == len(raw) - 4
        and raw.count(b"\n") == raw.count(b"\r\n")
    )


def _head(response: web.Response, context: RequestContext, length: int) -> str:
    # the library adds length and date when it sends the response, which is later: neither is in its headers yet
    varying = _PER_REQUEST | {name.lower() for name in context.headers}
    lines = [f"{name}: {value}\r\n" for name, value in response.headers.items() if name.lower() not in varying]
    if response.status != 304:
        lines.append(f"{hdrs.CONTENT_LENGTH}: {length}\r\n")
    return f"HTTP/1.1 {response.status} {response.reason}\r\n{''.join(lines)}"


def _is_replayable(request: web.Request, response: web.Response) -> bool:
    return (
        response.status in {200, 304}
        and request.version == HttpVersion11
        and request.keep_alive
        and response.keep_alive is not False
        and not any(name in request.headers for name in _CLIENT_IDS)
    )


def _key(raw: bytes) -> bytes:
    """Hashed: the bytes hold a token, which is stored nowhere."""
    return sha256(raw).digest()


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
