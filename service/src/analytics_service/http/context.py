"""State of one request while it is handled: its id, and headers and timings of its response."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from aiohttp import web

from analytics_service.rate_limit.gcra import Admission

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class Repeatable:
    """The same request bytes have the same answer, apart from limits, ids and timings."""

    until: float
    """By the monotonic clock."""
    stale_until: float
    """Until then the answer is stale: it may be served while it is recomputed."""
    admit: Callable[[], Admission | None]
    """Admits one more request; None where the whole request has to be processed."""


@dataclass(kw_only=True)
class RequestContext:
    """Filled by the pipeline, read by the middleware once the response is there."""

    request_id: str
    trace_id: str | None
    started: float = field(default_factory=time.perf_counter)
    headers: dict[str, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    """Milliseconds by step."""
    repeatable: Repeatable | None = None

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[step] = self.timings.get(step, 0.0) + (time.perf_counter() - started) * 1000

    @property
    def elapsed(self) -> float:
        """Seconds."""
        return time.perf_counter() - self.started

    def log_fields(self) -> dict[str, str]:
        traced = {} if self.trace_id is None else {"trace_id": self.trace_id}
        return {"request_id": self.request_id, **traced}

    def server_timing(self) -> str:
        steps = [f"{step};dur={spent:.3f}" for step, spent in self.timings.items()]
        return ", ".join([*steps, f"total;dur={self.elapsed * 1000:.3f}"])


CONTEXT: Final = web.RequestKey("context", RequestContext)


def from_request(request: web.Request) -> RequestContext:
    """Returns the context of a new request. A client's request id is used where it is well-formed."""
    given = request.headers.get("X-Request-ID", "")
    parent = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return RequestContext(
        request_id=given if _ACCEPTED_ID.fullmatch(given) else str(uuid4()),
        trace_id=parent["trace"] if parent else None,
    )
