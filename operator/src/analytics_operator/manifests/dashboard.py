"""The dashboard of a resource, as a ConfigMap that the sidecar of Grafana loads."""

import json
from dataclasses import dataclass

from analytics_operator.api.monitoring import Monitoring
from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, Decision, Manifest, Ref, Want
from analytics_operator.manifests.prometheus_rule import series
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state import digests

COLUMNS = 3
WIDTH, HEIGHT = 24 // COLUMNS, 8
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    title: str
    expression: str
    """`$series` selects one resource."""
    unit: str = "short"
    legend: str = ""


def _rate(metric: str) -> str:
    return f"rate({metric}{{$series}}[{RATE}])"


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) ({_rate(f'{metric}_bucket')}))"


PANELS: tuple[Panel, ...] = (
    Panel("Requests by route", f"sum by (route) ({_rate('http_requests_total')})", "reqps", "{{route}}"),
    Panel(
        "Errors by code",
        f"topk(5, sum by (error_code) ({_rate('analytics_http_problems_total')}))",
        "reqps",
        "{{error_code}}",
    ),
    Panel("Duration, p95", _quantile(0.95, "http_request_duration_seconds", "route"), "s", "{{route}}"),
    Panel(
        "Duration of statements, p95",
        _quantile(0.95, "analytics_db_query_duration_seconds", "endpoint"),
        "s",
        "{{endpoint}}",
    ),
    Panel(
        "Connections in use",
        'max by (pod) (db_pool_connections{$series,state="active"}) '
        "/ max by (pod) (analytics_db_pool_connections_max{$series})",
        "percentunit",
        "{{pod}}",
    ),
    Panel("Queries that wait", "sum by (pod) (analytics_db_pool_waiting{$series})", "short", "{{pod}}"),
    Panel(
        "Cache hit ratio",
        f"sum({_rate('cache_hits_total')}) / (sum({_rate('cache_hits_total')}) + sum({_rate('cache_misses_total')}))",
        "percentunit",
    ),
    Panel("Rate limited", f"sum by (role) ({_rate('rate_limit_exceeded_total')})", "reqps", "{{role}}"),
    Panel("Event loop delay, p99", _quantile(0.99, "analytics_event_loop_delay_seconds", "pod"), "s", "{{pod}}"),
    Panel("Rows that clients sent", f"sum by (result) ({_rate('analytics_ingest_rows_total')})", "short", "{{result}}"),
    Panel("Rows that wait for a commit", "sum by (pod) (analytics_ingest_queue_rows{$series})", "short", "{{pod}}"),
    Panel(
        "Duration of commits, p99", _quantile(0.99, "analytics_ingest_commit_duration_seconds", "pod"), "s", "{{pod}}"
    ),
    Panel("Rollup lag", "max(analytics_rollup_lag_seconds{$series})", "s"),
    Panel(
        "Failed jobs",
        "sum by (exported_job) (increase(analytics_worker_job_failures_total{$series}[1h]))",
        "short",
        "{{exported_job}}",
    ),
    Panel("Oldest snapshot", "max(analytics_oldest_snapshot_seconds{$series})", "s"),
    Panel("Memory", "max by (pod) (process_resident_memory_bytes{$series})", "bytes", "{{pod}}"),
    Panel("CPU", f"sum by (pod) ({_rate('process_cpu_seconds_total')})", "short", "{{pod}}"),
    Panel("Version", "count by (version) (analytics_service_info{$series})", "short", "{{version}}"),
)


def dashboard(scope: Scope) -> Decision:
    ref = Ref(CONFIG_MAP, names.dashboard(scope.name))
    section = (scope.resource.spec.monitoring or Monitoring()).dashboard
    if section is None:
        return scope.removed(ref)
    key = f"{scope.resource.metadata.namespace}-{scope.name}.json"  # sidecars put all dashboards into one folder
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(scope.resource, ref.name, extra_labels=section.labels),
        "data": {key: json.dumps(_dashboard(scope), sort_keys=True)},
    }
    return Want(ref, manifest)


def _dashboard(scope: Scope) -> Manifest:
    namespace = scope.resource.metadata.namespace
    return {
        "uid": f"analytics-{digests.of([namespace, scope.name])}",
        "title": f"LLM analytics: {namespace}/{scope.name}",
        "tags": ["llm-observatory"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(scope, number, each) for number, each in enumerate(PANELS)],
    }


def _panel(scope: Scope, number: int, panel: Panel) -> Manifest:
    row, column = divmod(number, COLUMNS)
    source = {"type": "prometheus", "uid": "${datasource}"}
    target = {"refId": "A", "expr": panel.expression.replace("$series", series(scope)), "legendFormat": panel.legend}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [target],
    }
