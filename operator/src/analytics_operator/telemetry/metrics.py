"""Metrics of the operator; names begin with analytics_operator_."""

from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)


class Metrics:
    """One registry, made where the process is wired."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._reconcile = Histogram(
            "analytics_operator_reconcile_seconds",
            "Time of one reconcile of one resource, by outcome",
            ["outcome"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._calls = Counter(
            "analytics_operator_api_calls_total",
            "Calls to the API server; code 0 is no answer",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self._unchanged = Counter(
            "analytics_operator_apply_unchanged_total", "Applies that changed nothing", registry=self.registry
        )
        self._events = Counter(
            "analytics_operator_watch_events_total", "Events of the watches, by kind", ["kind"], registry=self.registry
        )
        self._last_event = Gauge(
            "analytics_operator_watch_last_event_timestamp_seconds",
            "When a watch delivered its last event",
            ["kind"],
            registry=self.registry,
        )
        self._leader = Gauge("analytics_operator_leader", "1 while this replica leads", registry=self.registry)

    def reconciled(self, seconds: float, outcome: str) -> None:
        self._reconcile.labels(outcome).observe(seconds)

    def api_called(self, verb: str, kind: str, code: int) -> None:
        self._calls.labels(verb, kind, str(code)).inc()

    def apply_unchanged(self) -> None:
        self._unchanged.inc()

    def watch_event(self, kind: str) -> None:
        self._events.labels(kind).inc()
        self._last_event.labels(kind).set_to_current_time()

    def leader_changed(self, now: bool) -> None:  # noqa: FBT001 - what it is called with is its name
        self._leader.set(1 if now else 0)

    def export_watches(
        self,
        kinds: Iterable[str],
        namespaces: Iterable[str],
        *,
        age: Callable[[str], float],
        refused: Callable[[str, str], bool],
    ) -> None:
        """Reads each when it is scraped. An empty namespace stands for all of them."""
        unconfirmed = Gauge(
            "analytics_operator_watch_unconfirmed_write_age_seconds",
            "Age of the oldest own write that the watch has not shown",
            ["kind"],
            registry=self.registry,
        )
        refusals = Gauge(
            "analytics_operator_watch_refused",
            "1 while the API server refuses the watch; watched_namespace is empty where one watch is of all",
            ["kind", "watched_namespace"],
            registry=self.registry,
        )
        for kind in kinds:
            unconfirmed.labels(kind).set_function(partial(age, kind))
            for namespace in namespaces:
                refusals.labels(kind, namespace).set_function(partial(refused, kind, namespace))

    def export_queue(self, *, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Reads both when they are scraped."""
        Gauge(
            "analytics_operator_queue_depth", "Resources that wait for a reconcile", registry=self.registry
        ).set_function(depth)
        Gauge(
            "analytics_operator_queue_oldest_seconds", "How long the first of them has waited", registry=self.registry
        ).set_function(oldest)
