"""The metrics by the names of the deployment guide; every label has few values, whatever clients send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from analytics_service.cache.answers import Tier

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_HELP_CONNECTIONS: Final = "Database connections by state (active, idle)"


@dataclass(frozen=True)
class Metrics:
    registry: CollectorRegistry
    requests: Counter
    duration: Histogram
    connections: Gauge
    cache_hits: Counter
    cache_misses: Counter
    limited: Counter

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.duration.labels(method, route).observe(seconds)

    def again(self, route: str, status: int) -> Callable[[float], None]:
        """What counts a GET like `answered`, and as a hit of the memory: labels are looked up once for many of them."""
        requests, duration = self.requests.labels("GET", route, str(status)), self.duration.labels("GET", route)
        hits = self.cache_hits.labels(Tier.MEMORY)

        def count(seconds: float) -> None:
            requests.inc()
            duration.observe(seconds)
            hits.inc()

        return count

    def watch_connections(self, counts: Callable[[], tuple[int, int]]) -> None:
        """`counts` says how many are active and how many are idle, whenever it is asked."""
        self.connections.labels("active").set_function(lambda: counts()[0])
        self.connections.labels("idle").set_function(lambda: counts()[1])


def metrics() -> Metrics:
    """A set of its own for every application, so that two in a process do not mix."""
    registry = CollectorRegistry()
    route = ("method", "route")
    return Metrics(
        registry=registry,
        requests=Counter("http_requests_total", "HTTP requests", (*route, "status"), registry=registry),
        duration=Histogram(
            "http_request_duration_seconds", "HTTP request duration", route, registry=registry, buckets=_BUCKETS
        ),
        connections=Gauge("db_pool_connections", _HELP_CONNECTIONS, ("state",), registry=registry),
        cache_hits=Counter("cache_hits_total", "Answers from a cache", ("tier",), registry=registry),
        cache_misses=Counter("cache_misses_total", "Answers that were computed", registry=registry),
        limited=Counter("rate_limit_exceeded_total", "Requests refused with 429", ("role",), registry=registry),
    )


def metrics_application(registry: CollectorRegistry) -> web.Application:
    async def expose(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/metrics", expose)
    return application
