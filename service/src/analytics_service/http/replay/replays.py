"""Answers that were given to the same bytes a moment ago, given again without reading the request anew.

What a cached answer costs is mostly reading the request and making headers that come out the same. Here the request's
bytes are the key, and an answer is kept for as long as everything holds that it was made from: the version of the rows
(a second at most), the token, and the step of relative times. What counts or times a request is done for each.
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
from aiohttp.typedefs import Handler, Middleware

from analytics_service.cache.answers import Tier
from analytics_service.cache.memory import ByteBoundedLru
from analytics_service.http import middleware
from analytics_service.http.context import CONTEXT, RequestContext
from analytics_service.rate_limit.gcra import Admission
from analytics_service.rate_limit.headers import headers
from analytics_service.telemetry.metrics import Metrics

PROBE_SECONDS: Final = 0.02
"""While an answer is stale one request in so long is read, which has it made anew; the others need not wait for it."""
LONGEST_REQUEST: Final = 8 * 1024
"""Bytes."""
_OF_EACH: Final = frozenset({"cache-status", "server-timing", "x-request-id"})
"""Headers that are made for every request, beside those of its limit."""
_FRESH: Final = f"analytics; hit; detail={Tier.MEMORY}"
_STALE: Final = f"analytics; hit; ttl=-1; detail={Tier.STALE}"
_OWN_ID: Final = ("X-Request-ID", "traceparent")
"""Clients that send these send other bytes each time."""


@dataclass(kw_only=True, slots=True)
class _Replay:
    head: str
    """The status line and the headers that are the same each time."""
    body: bytes
    route: str
    status: int
    admit: Callable[[], Admission | None]
    count: Callable[[float, str], None]
    fresh_until: float
    probed_again_at: float = 0.0

    @property
    def weight(self) -> int:
        return len(self.head) + len(self.body)


class Replays:
    """Of one application. What is kept weighs at most `max_bytes`."""

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
        self._known: ByteBoundedLru[bytes, _Replay] = ByteBoundedLru(max_bytes=max_bytes)

    def answer(self, raw: bytes) -> bytes | None:
        """The whole response to a request of these bytes, counted as one; None where it has to be read."""
        started, now = time.perf_counter(), self._clock()
        found = self._known.get(_key(raw), now)
        if found is None or self._draining():
            return None
        fresh = now < found.fresh_until
        if not fresh and now >= found.probed_again_at:
            found.probed_again_at = now + PROBE_SECONDS
            return None
        admission = found.admit()
        if admission is None:
            return None
        request_id = str(uuid4())
        said = {
            "Date": _date(int(time.time())),
            "X-Request-ID": request_id,
            "Cache-Status": _FRESH if fresh else _STALE,
            **headers(admission, datetime.now(UTC)),
        }
        spent = time.perf_counter() - started
        lines = "".join([f"{name}: {value}\r\n" for name, value in said.items()])
        found.count(spent, Tier.MEMORY if fresh else Tier.STALE)
        middleware.log_request("GET", found.route, found.status, spent, request_id=request_id)
        return f"{found.head}{lines}Server-Timing: total;dur={spent * 1000:.3f}\r\n\r\n".encode() + found.body

    def middleware(self) -> Middleware:
        """Keeps what the others made, so it stands before all that add a header."""

        @web.middleware
        async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            raw = getattr(request.protocol, "raw", None)
            if raw and isinstance(response, web.Response) and _is_kept(request, response):
                self._keep(raw, request, response, request[CONTEXT])
            return response

        return keep

    def _keep(self, raw: bytes, request: web.Request, response: web.Response, known: RequestContext) -> None:
        if known.repeatable is None:
            return
        body, route = response.body, middleware.route(request)
        assert isinstance(body, bytes | None)  # noqa: S101 - the pipeline makes no other
        left_out = _OF_EACH | {name.lower() for name in known.headers}
        same = [f"{name}: {value}\r\n" for name, value in response.headers.items() if name.lower() not in left_out]
        if response.status != 304:
            same.append(f"{hdrs.CONTENT_LENGTH}: {len(body or b'')}\r\n")
        replay = _Replay(
            head=f"HTTP/1.1 {response.status} {response.reason}\r\n{''.join(same)}",
            body=body or b"",
            route=route,
            status=response.status,
            admit=known.repeatable.admit,
            count=self._metrics.request_observer(route, response.status, (Tier.MEMORY, Tier.STALE)),
            fresh_until=known.repeatable.until,
        )
        self._known.put(_key(raw), replay, until=known.repeatable.stale_until)


def _key(raw: bytes) -> bytes:
    """Hashed: the bytes hold a token, which is not kept anywhere."""
    return sha256(raw).digest()


REPLAYS: Final = web.AppKey("replays", Replays)


def is_one_request(raw: bytes) -> bool:
    """Whether the bytes look like one whole GET and nothing after it."""
    return (
        raw.startswith(b"GET ")
        and len(raw) <= LONGEST_REQUEST
        and raw.find(b"\r\n\r\n") == len(raw) - 4
        and raw.count(b"\n") == raw.count(b"\r\n")
    )


def _is_kept(request: web.Request, response: web.Response) -> bool:
    return (
        response.status in {200, 304}
        and request.version == HttpVersion11
        and request.keep_alive
        and response.keep_alive is not False
        and not any(name in request.headers for name in _OWN_ID)
    )


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
