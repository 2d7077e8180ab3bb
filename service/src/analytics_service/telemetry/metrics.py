"""Metrics of the service; every label has a bounded number of values, whatever clients send."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from analytics_service import __version__

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WAIT: Final = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ROUTE: Final = ("method", "route")


class Metrics:
    """Metrics of one application, in a registry of their own; docs/metrics.md lists them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._gauges: dict[str, Gauge] = {}
        self.gauge("analytics_service_info", "1; the release", lambda: 1, version=__version__)

        self.requests = self._counter("http_requests_total", "HTTP requests", *_ROUTE, "status")
        self.duration = self._histogram(
            "http_request_duration_seconds", "HTTP request duration", *_ROUTE, buckets=_REQUEST
        )
        self.problems = self._counter("http_problems_total", "Problems told to clients", "error_code")
        self.delay = self._histogram("event_loop_delay_seconds", "What a task waits that is due", buckets=_WAIT)
        self.waits = self._histogram(
            "db_pool_wait_seconds", "From asking for a connection to having one", buckets=_WAIT
        )
        self.queries = self._histogram("db_query_duration_seconds", "Wait included", "endpoint", buckets=_REQUEST)
        self.reads = self._counter("db_reads_total", "Statements of answers, by who answered", "server")
        self.exchanges = self._histogram(
            "redis_exchange_duration_seconds", "Commands that travelled together", "result", buckets=_WAIT
        )
        self.cache_hits = self._counter("cache_hits_total", "Answers from a cache", "tier")
        self.cache_misses = self._counter("cache_misses_total", "Answers that were computed")
        self.limited = self._counter("rate_limit_exceeded_total", "Requests refused with 429", "role")

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def _histogram(self, name: str, description: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, description, labels, registry=self.registry, buckets=buckets)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.duration.labels(method, route).observe(seconds)

    def request_observer(self, route: str, status: int, tiers: Iterable[str]) -> Callable[[float, str], None]:
        """Returns a function that observes GETs of one route and status as cache hits; labels are resolved once."""
        requests, duration = self.requests.labels("GET", route, str(status)), self.duration.labels("GET", route)
        hits = {tier: self.cache_hits.labels(tier) for tier in tiers}

        def count(seconds: float, tier: str) -> None:
            requests.inc()
            duration.observe(seconds)
            hits[tier].inc()

        return count

    def count_read(self, server: str) -> None:
        self.reads.labels(server).inc()

    def observe_exchange(self, seconds: float, result: str) -> None:
        self.exchanges.labels(result).observe(seconds)

    def gauge(self, name: str, description: str, value: Callable[[], float], **labels: str) -> None:
        """Registers a gauge whose value is `value()` at each scrape."""
        gauge = self._gauges.get(name) or Gauge(name, description, tuple(labels), registry=self.registry)
        self._gauges[name] = gauge
        (gauge.labels(**labels) if labels else gauge).set_function(value)


def metrics_application(registry: CollectorRegistry) -> web.Application:
    async def expose(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    application = web.Application()
    application.router.add_get("/metrics", expose)
    return application
