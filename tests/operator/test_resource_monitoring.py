"""What Prometheus and Grafana are given of one resource: only series that the service has, of that resource alone."""

import json
import re
from dataclasses import replace
from typing import Any

import promql_parser
import pytest
import yaml

from analytics_operator.api.conditions import Condition, Type
from analytics_operator.kube.objects import CONFIG_MAP, POD_MONITOR, PROMETHEUS_RULE, SERVICE_MONITOR, Kind, Ref, Want
from analytics_operator.manifests.alerts import ALERTS
from analytics_operator.plan import plan
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.status.facts import Applied, Facts
from analytics_operator.status.monitoring import MONITORING_CONFIGURED
from tests.operator.test_golden import CASES, NOW, observed
from tests.operator.test_migration import SECRETS, resource
from tests.support.kube import TOP

SERIES = re.compile(r"\b([a-z_]+)\{")
SUFFIX = re.compile(r"_(bucket|sum|count)$")
FROM_OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Prometheus' own, and its client's."""
SELECTOR = 'namespace="llm",job="demo"'


def manifest(kind: Kind, name: str = "demo") -> dict[str, Any]:
    case = yaml.safe_load((CASES / "monitored" / "input.yaml").read_text())
    decisions = plan(observed(case), now=NOW, random_text="0" * 64).decisions
    (found,) = [each for each in decisions if isinstance(each, Want) and each.ref == Ref(kind, name)]
    return found.manifest


def rules() -> list[dict[str, Any]]:
    (group,) = manifest(PROMETHEUS_RULE)["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    data = manifest(CONFIG_MAP, "demo-dashboard")["data"]
    found: dict[str, Any] = json.loads(data["llm-demo.json"])
    return found


def expressions() -> list[str]:
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + panels


def documented() -> dict[str, set[str]]:
    """The metrics of the page, with their labels."""
    rows = re.findall(r"^\| `([a-z_]+)` \|([^|]*)\|", (TOP / "docs/metrics.md").read_text(), re.MULTILINE)
    return {name: set(re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", labels))) for name, labels in rows}


def test_prometheus_can_read_every_expression() -> None:
    for expression in expressions():
        promql_parser.parse(expression.replace("$__rate_interval", "1m"))


def test_alerts_and_dashboard_name_only_metrics_that_the_service_has() -> None:
    known = documented().keys() | FROM_OTHERS
    used = {SUFFIX.sub("", name) for each in expressions() for name in SERIES.findall(each)}
    assert used - known == set()


def test_they_group_by_labels_that_a_metric_has_or_prometheus_sets() -> None:
    of_targets = {"le", "pod", "exported_job"}
    for expression in expressions():
        labels = set().union(*(documented().get(SUFFIX.sub("", name), set()) for name in SERIES.findall(expression)))
        grouped = {each.strip() for text in re.findall(r"by \(([^)]*)\)", expression) for each in text.split(",")}
        assert grouped - labels - of_targets == set(), expression


def test_every_expression_sees_this_resource_alone() -> None:
    for expression in expressions():
        selectors = re.findall(r"\{([^}]*)\}", expression)
        assert selectors
        assert all(each.startswith(SELECTOR) for each in selectors), expression


def test_the_page_lists_every_alert() -> None:
    page = (TOP / "docs/operator/monitoring.md").read_text()
    listed = re.findall(r"^\| (AnalyticsApi\w+) \| (\w+) \|", page, re.MULTILINE)
    assert listed == [(alert.name, alert.severity.value) for alert in ALERTS]


def test_every_alert_says_what_it_means_and_where_to_look() -> None:
    assert [rule["alert"] for rule in rules()] == [alert.name for alert in ALERTS]
    for rule in rules():
        assert len(rule["annotations"]["description"]) > len(rule["annotations"]["summary"])


@pytest.mark.parametrize("kind", [POD_MONITOR, SERVICE_MONITOR], ids=lambda kind: kind.name)
def test_either_monitor_labels_series_as_the_expressions_select_them(kind: Kind) -> None:
    found = manifest(kind)["spec"]
    label = found["jobLabel"]
    assert found["selector"]["matchLabels"][label] == "demo"


def test_the_monitors_find_what_listens_and_nothing_else() -> None:
    """By the name of the port, which the migration's pod has not."""
    case = yaml.safe_load((CASES / "everything-set" / "input.yaml").read_text())
    decisions = plan(observed(case), now=NOW, random_text="0" * 64).decisions
    selector = manifest(POD_MONITOR)["spec"]["selector"]["matchLabels"].items()
    pods = [
        each.manifest["spec"]["template"]
        for each in decisions
        if isinstance(each, Want) and each.ref.kind.name == "Deployment"
    ]
    assert len(pods) == 3
    for pod in pods:
        assert selector <= pod["metadata"]["labels"].items()
        ports = [port["name"] for container in pod["spec"]["containers"] for port in container["ports"]]
        assert ports.count("metrics") == 1
    services = [each.manifest for each in decisions if isinstance(each, Want) and each.ref.kind.name == "Service"]
    assert all(selector <= each["metadata"]["labels"].items() for each in services)


@pytest.mark.parametrize("service", [{}, {"type": "LoadBalancer"}], ids=["inside", "published"])
@pytest.mark.parametrize("name", ["everything-set", "monitored"])
def test_a_service_monitor_finds_every_pod_by_one_service(name: str, service: dict[str, Any]) -> None:
    """By two, its series would be there twice; `demo-metrics` is there where `demo` is published without that port."""
    case = yaml.safe_load((CASES / name / "input.yaml").read_text())
    case["spec"]["service"] = service
    decisions = plan(observed(case), now=NOW, random_text="0" * 64).decisions
    written = [each.manifest for each in decisions if isinstance(each, Want)]
    monitored = manifest(SERVICE_MONITOR)["spec"]["selector"]["matchLabels"].items()
    scraped = [
        each["spec"]["selector"].items()
        for each in written
        if each["kind"] == "Service"
        and monitored <= each["metadata"]["labels"].items()
        and any(port["name"] == "metrics" for port in each["spec"]["ports"])
    ]
    pods = [each["spec"]["template"] for each in written if each["kind"] == "Deployment"]
    assert len(pods) == (3 if name == "everything-set" else 2)
    assert [sum(each <= pod["metadata"]["labels"].items() for each in scraped) for pod in pods] == [1] * len(pods)
    assert any(each["metadata"]["name"] == "demo-metrics" for each in written) is bool(service)


def test_two_resources_have_two_dashboards() -> None:
    case = yaml.safe_load((CASES / "monitored" / "input.yaml").read_text())
    seen = observed(case)
    metadata = seen.resource.metadata
    others = [{"name": "other"}, {"namespace": "other"}]
    found = set()
    for change in [{}, *others]:
        resource = seen.resource.model_copy(update={"metadata": metadata.model_copy(update=change)})
        decisions = plan(replace(seen, resource=resource), now=NOW, random_text="0" * 64).decisions
        (config_map,) = [each for each in decisions if isinstance(each, Want) and each.ref.name.endswith("-dashboard")]
        ((key, text),) = config_map.manifest["data"].items()
        assert len(json.loads(text)["uid"]) <= 40
        found.add((key, json.loads(text)["uid"]))
    assert len(found) == 3
    assert len({key for key, _ in found}) == len({uid for _, uid in found}) == 3


def condition(*served: Kind, refusals: tuple[Refusal, ...] = (), **spec: Any) -> Condition | None:
    """None where it is not shown."""
    seen = Observed(resource=resource(**spec), secrets=SECRETS, served_kinds=frozenset(served))
    planned = plan(seen, now=NOW, random_text="0" * 64)
    facts = Facts(
        observed=seen,
        credentials=planned.credentials,
        gate=planned.gate,
        applied=Applied(refusals=refusals),
    )
    return MONITORING_CONFIGURED.of(facts) if MONITORING_CONFIGURED.shown(facts) else None


@pytest.mark.parametrize(
    ("spec", "served", "status", "reason", "words"),
    [
        pytest.param({"dashboard": {}}, (), True, "Applied", "ConfigMap demo-dashboard as declared", id="a dashboard"),
        pytest.param({"podMonitor": {}}, (POD_MONITOR,), True, "Applied", "PodMonitor demo", id="a monitor"),
        pytest.param(
            {"podMonitor": {}, "prometheusRule": {}},
            (PROMETHEUS_RULE,),
            False,
            "KindNotInstalled",
            "PodMonitor is not installed: install the Prometheus Operator's CRDs, or remove monitoring.podMonitor",
            id="one of two kinds",
        ),
    ],
)
def test_the_condition_names_what_is_missing_and_the_cure(
    spec: dict[str, Any], served: tuple[Kind, ...], *, status: bool, reason: str, words: str
) -> None:
    found = condition(*served, monitoring=spec)
    assert found
    assert (found.status, found.reason) == (status, reason)
    assert words in found.message


def test_a_refused_child_and_a_suspended_resource_are_in_the_condition() -> None:
    refusal = Refusal(ref=Ref(POD_MONITOR, "demo"), reason="Forbidden", message="no right")
    found = condition(POD_MONITOR, refusals=(refusal,), monitoring={"podMonitor": {}})
    assert found == Condition(Type.MONITORING_CONFIGURED, False, "Forbidden", "PodMonitor demo: no right")
    paused = condition(monitoring={"podMonitor": {}}, suspend=True)
    assert paused
    assert (paused.status, paused.reason) == (None, "Suspended")


@pytest.mark.parametrize("spec", [{}, {"monitoring": {}}], ids=["no section", "an empty one"])
def test_without_parts_nothing_is_said(spec: dict[str, Any]) -> None:
    assert condition(**spec) is None
