"""Metrics of the service; every label has a bounded number of values, whatever clients send."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from analytics_service import __version__

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WAIT: Final = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ROWS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000)
FORMS: Final = ("otlp", "logs", "rows")
REJECTED_FIELDS: Final = ("ts", "trace_id", "span_id", "project_id", "org_id")
"""Of metrics; all others count as `other`."""
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
        self.problems = self._counter("analytics_http_problems_total", "Error answers", "error_code")
        self.delay = self._histogram("analytics_event_loop_delay_seconds", "Delay of tasks that are due", buckets=_WAIT)
        self.waits = self._histogram(
            "analytics_db_pool_wait_seconds", "Time that queries waited for a connection", buckets=_WAIT
        )
        self.queries = self._histogram(
            "analytics_db_query_duration_seconds",
            "Statements of answers, waiting for a connection included",
            "endpoint",
            buckets=_REQUEST,
        )
        self.reads = self._counter("analytics_db_reads_total", "Statements of answers, by server", "server")
        self.exchanges = self._histogram(
            "analytics_redis_exchange_duration_seconds",
            "Round trips; concurrent commands share one",
            "result",
            buckets=_WAIT,
        )
        self.cache_hits = self._counter("cache_hits_total", "Answers from a cache", "tier")
        self.cache_misses = self._counter("cache_misses_total", "Computed answers")
        self.limited = self._counter("rate_limit_exceeded_total", "Requests refused with 429", "role")

        self.received = self._counter(
            "analytics_ingest_rows_total", "Rows that clients sent, by result", "form", "result"
        )
        self.rejections = self._counter("analytics_ingest_rejected_rows_total", "Rejected rows, by field", "field")
        self.groups = self._histogram(
            "analytics_ingest_group_rows", "Rows that are written and committed together", buckets=_ROWS
        )
        self.commits = self._histogram(
            "analytics_ingest_commit_duration_seconds", "Time to write and commit a group", buckets=_REQUEST
        )

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

    def observe_received(self, form: str, *, accepted: int, rejected: Mapping[int, str]) -> None:
        """`rejected` has the reason of each row, which begins with its field."""
        self.received.labels(form, "accepted").inc(accepted)
        self.received.labels(form, "rejected").inc(len(rejected))
        for reason in rejected.values():
            field = reason.partition(":")[0]
            self.rejections.labels(field if field in REJECTED_FIELDS else "other").inc()

    def observe_group(self, rows: int, seconds: float) -> None:
        self.groups.observe(rows)
        self.commits.observe(seconds)

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
