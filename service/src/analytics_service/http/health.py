"""Health, as the deployment guide shows it, and one path for each question that a kubelet asks."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from analytics_service.database.query import Query
from analytics_service.errors import DatabaseError
from analytics_service.http.services import Services
from analytics_service.units import decimals

_CACHE_SECONDS = 1.0
"""Unauthenticated /health requests cannot query the database more often than this."""
_PING_TIMEOUT_SECONDS = 2.0
_PING = Query(sql="SELECT 1")


@dataclass
class Health:
    services: Services
    draining: Callable[[], bool]
    _cached: tuple[float, dict[str, str]] = field(default=(float("-inf"), {}), init=False)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/health", self.health),
            web.get("/health/live", self.live),
            web.get("/health/startup", self.live),
            web.get("/health/ready", self.ready),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        """200 while requests can be answered; a Redis that is down only makes them slower."""
        asked, parts = self._cached
        if time.monotonic() >= asked + _CACHE_SECONDS:
            parts = {"database": await self._database(), "redis": await self._redis()}
            if (schema := self.services.database.state.schema) is not None:
                parts["edition"] = schema.edition.value
            if (redis := self.services.redis) is not None and (failure := redis.failure) and failure.of_setting:
                parts["detail"] = failure.message
            self._cached = (time.monotonic(), parts)
        status = "healthy"
        if parts["redis"] == "unhealthy":
            status = "degraded"
        if parts["database"] == "unhealthy" or self.draining():
            status = "unhealthy"
        return _response(200 if status != "unhealthy" else 503, {"status": status, **parts})

    async def live(self, _request: web.Request) -> web.Response:
        """200 while the event loop runs: a restart mends nothing else."""
        return _response(200, {"status": "healthy"})

    async def ready(self, _request: web.Request) -> web.Response:
        """200 from the first connection on. A database lost later is a 503 in each answer, not an empty Service."""
        if self.draining():
            return _response(503, {"status": "draining"})
        state = self.services.database.state
        if not state.ready:
            return _response(503, {"status": "starting", "detail": state.schema_problem or "waiting for the database"})
        return _response(200, {"status": "healthy"})

    async def _database(self) -> str:
        try:
            await self.services.database.fetch_value(_PING, timeout=_PING_TIMEOUT_SECONDS)
        except DatabaseError:
            return "unhealthy"
        return "healthy"

    async def _redis(self) -> str:
        if self.services.redis is None:
            return "not_configured"
        return "healthy" if await self.services.redis.ping() and self.services.redis.failure is None else "unhealthy"


def _response(status: int, members: dict[str, str]) -> web.Response:
    timestamp = datetime.now(UTC).replace(microsecond=0)
    return web.Response(
        status=status,
        body=decimals.dumps({**members, "timestamp": timestamp}),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
