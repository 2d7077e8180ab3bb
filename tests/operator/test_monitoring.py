"""What the chart asks of Prometheus and Grafana: only figures that the operator has."""

import json
import re
from typing import Any

import promql_parser
import pytest

from analytics_operator.telemetry.metrics import Metrics
from tests.support import charts

KINDS = ("ServiceMonitor", "PrometheusRule", "ConfigMap")
SERIES = re.compile(r"analytics_operator_\w+")


def series() -> set[str]:
    """Every series that /metrics can show."""
    metrics = Metrics()
    metrics.export_queue(depth=lambda: 0, oldest=lambda: 0)
    metrics.export_watches(["Service"], [""], age=lambda _: 0, refused=lambda *_: False)
    suffixes = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}
    found = metrics.registry.collect()
    return {each.name + suffix for each in found for suffix in suffixes.get(each.type, ("",))}


def alerts() -> list[dict[str, Any]]:
    (group,) = charts.one(charts.rendered(*charts.MONITORED), "PrometheusRule")["spec"]["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard() -> dict[str, Any]:
    config_map = charts.one(charts.rendered(*charts.MONITORED), "ConfigMap")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    found: dict[str, Any] = json.loads(config_map["data"]["analytics-operator.json"])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_monitored_unless_it_is_asked_for(kind: str) -> None:
    assert charts.names(charts.rendered(), kind) == []
    assert len(charts.names(charts.rendered(*charts.MONITORED), kind)) == 1


def expressions() -> list[str]:
    """Of alerts and dashboard."""
    return [rule["expr"] for rule in alerts()] + [
        target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])
    ]


def test_prometheus_can_read_every_expression() -> None:
    for expression in expressions():
        promql_parser.parse(expression.replace("$__rate_interval", "1m"))  # Grafana's word for a duration


def test_alerts_and_dashboard_name_only_series_that_the_operator_has() -> None:
    assert all(SERIES.search(each) for each in expressions())
    assert {name for each in expressions() for name in SERIES.findall(each)} - series() == set()


def test_every_alert_says_what_it_means_and_where_to_look() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert len(rule["annotations"]["description"]) > len(rule["annotations"]["summary"])


def test_alerts_see_this_release_alone() -> None:
    assert all('namespace="default",job="analytics-operator-metrics"' in rule["expr"] for rule in alerts())


def test_the_service_monitor_finds_the_metrics_service() -> None:
    manifests = charts.rendered(*charts.MONITORED)
    monitor, service = charts.one(manifests, "ServiceMonitor")["spec"], charts.one(manifests, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
