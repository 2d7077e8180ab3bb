"""What NetworkPolicies let through: every pair of who connects and to what has a verdict."""

from typing import Any

import pytest
import yaml

from analytics_operator.kube import labels
from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import NETWORK_POLICY, Want
from analytics_operator.manifests.network_policies import FLOWS_IN, FLOWS_OUT
from analytics_operator.plan import plan
from tests.operator.network import Endpoint, allowed
from tests.operator.test_golden import CASES, NOW, observed
from tests.support import charts
from tests.support.kube import TOP

OPERATOR = "analytics-system"


def policies(**section: Any) -> list[dict[str, Any]]:
    """Of the golden case, with fields of its networkPolicy replaced, or removed where they are None."""
    case = yaml.safe_load((CASES / "routed-and-isolated" / "input.yaml").read_text())
    fields = case["spec"]["networkPolicy"] | section
    case["spec"]["networkPolicy"] = {name: value for name, value in fields.items() if value is not None}
    case["spec"]["ingest"] = {"replicas": 1}
    decisions = plan(observed(case), now=NOW, random_text="0" * 64).decisions
    return [each.manifest for each in decisions if isinstance(each, Want) and each.ref.kind is NETWORK_POLICY]


def ours(component: Component, *, name: str = "demo") -> Endpoint:
    return Endpoint(namespace="llm", labels=labels.common(name, component), namespace_labels=named("llm"))


def named(namespace: str, **more: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": namespace} | more


def pod(namespace: str, of_pod: dict[str, str] | None = None, **of_namespace: str) -> Endpoint:
    return Endpoint(namespace=namespace, labels=of_pod or {}, namespace_labels=named(namespace, **of_namespace))


API, INGEST, WORKER, MIGRATE = (
    ours(each) for each in (Component.API, Component.INGEST, Component.WORKER, Component.MIGRATE)
)
NGINX = pod("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
APPLICATION = pod("shop", team="llm")
LEGACY = pod("old-shop", team="llm", legacy="yes")
PROMETHEUS = pod("monitoring")
POLLER = pod(OPERATOR, {"app.kubernetes.io/name": "analytics-operator"})
NEIGHBOUR = pod("llm", {"app": "neighbour"})
POOLER = pod("llm", {"app": "pgbouncer"})
POOLER_ELSEWHERE = pod("other", {"app": "pgbouncer"})
REDIS = pod("data", {"app": "redis"})
MINIO = pod("llm", {"app": "minio"})
DATABASE = Endpoint(address="10.20.1.1")
LEFT_OUT = Endpoint(address="10.20.9.7")
INTERNET = Endpoint(address="203.0.113.7")
EVERY_POD = (API, INGEST, WORKER, MIGRATE)

INCOMING = [
    pytest.param(NGINX, 8080, (API, INGEST), id="the ingress controller"),
    pytest.param(APPLICATION, 8080, (API, INGEST), id="an application of a chosen namespace"),
    pytest.param(LEGACY, 8080, (), id="one of a namespace that an expression leaves out"),
    pytest.param(pod("ingress-nginx", {"app": "other"}), 8080, (), id="another pod beside the ingress controller"),
    pytest.param(NEIGHBOUR, 8080, (), id="a neighbour"),
    pytest.param(INTERNET, 8080, (), id="an address outside"),
    pytest.param(PROMETHEUS, 9091, (API, INGEST, WORKER), id="Prometheus"),
    pytest.param(PROMETHEUS, 8080, (), id="Prometheus as a client"),
    pytest.param(NGINX, 9091, (), id="the ingress controller, for metrics"),
    pytest.param(POLLER, 8080, (API,), id="the operator, for health"),
    pytest.param(POLLER, 9091, (WORKER,), id="the operator, for reports"),
    pytest.param(pod(OPERATOR, {"app": "other"}), 9091, (), id="another pod beside the operator"),
    pytest.param(pod("evil", {"app.kubernetes.io/name": "analytics-operator"}), 9091, (), id="one named like it"),
    pytest.param(API, 8080, (), id="a pod of the API"),
    pytest.param(WORKER, 9091, (), id="a worker"),
]
OUTGOING = [
    pytest.param(DATABASE, 5432, "TCP", EVERY_POD, id="the database"),
    pytest.param(DATABASE, 6432, "TCP", EVERY_POD, id="the database, by its other port"),
    pytest.param(DATABASE, 22, "TCP", (), id="the database's host"),
    pytest.param(MINIO, 9000, "TCP", (API, WORKER), id="the storage of exports"),
    pytest.param(MINIO, 443, "TCP", (), id="the storage of exports, by another port"),
    pytest.param(DATABASE, 5432, "UDP", (), id="the database by UDP"),
    pytest.param(LEFT_OUT, 5432, "TCP", (), id="an address that is left out"),
    pytest.param(POOLER, 6432, "TCP", EVERY_POD, id="the pooler"),
    pytest.param(POOLER_ELSEWHERE, 6432, "TCP", (), id="the pooler of another namespace"),
    pytest.param(REDIS, 6379, "TCP", (API, INGEST), id="Redis"),
    pytest.param(REDIS, 26379, "TCP", (API, INGEST), id="a Sentinel"),
    pytest.param(REDIS, 5432, "TCP", (), id="Redis' host"),
    pytest.param(INTERNET, 53, "UDP", EVERY_POD, id="DNS"),
    pytest.param(INTERNET, 53, "TCP", EVERY_POD, id="DNS by TCP"),
    pytest.param(INTERNET, 443, "TCP", (), id="the internet"),
    pytest.param(NEIGHBOUR, 8080, "TCP", (), id="a neighbour"),
]


@pytest.mark.parametrize(("source", "port", "targets"), INCOMING)
def test_who_reaches_the_pods(source: Endpoint, port: int, targets: tuple[Endpoint, ...]) -> None:
    rendered = policies()
    assert tuple(each for each in EVERY_POD if allowed(rendered, source, each, port)) == targets


@pytest.mark.parametrize(("target", "port", "protocol", "sources"), OUTGOING)
def test_what_the_pods_reach(target: Endpoint, port: int, protocol: str, sources: tuple[Endpoint, ...]) -> None:
    rendered = policies()
    assert tuple(each for each in EVERY_POD if allowed(rendered, each, target, port, protocol)) == sources


def test_pods_of_another_resource_are_left_alone() -> None:
    assert allowed(policies(), NEIGHBOUR, ours(Component.API, name="other"), 8080)


@pytest.mark.parametrize("component", Component)
def test_every_component_is_isolated_in_both_directions(component: Component) -> None:
    chosen = [each for each in policies() if each["spec"]["podSelector"]["matchLabels"][labels.COMPONENT] == component]
    assert [each["spec"]["policyTypes"] for each in chosen] == [["Ingress", "Egress"]]


@pytest.mark.parametrize(("field", "source"), [("ingressFrom", NGINX), ("monitoringFrom", PROMETHEUS)])
def test_peers_that_are_absent_are_nobody(field: str, source: Endpoint) -> None:
    """A rule without peers would admit everybody."""
    rendered = policies(**{field: None})
    assert not any(allowed(rendered, source, each, port) for each in EVERY_POD for port in (8080, 9091))


def test_disabled_policies_go() -> None:
    assert policies(mode="Disabled") == []


def test_the_flows_are_those_that_the_page_lists() -> None:
    page = (TOP / "docs/operator/networking.md").read_text()
    assert [flow.name for flow in (*FLOWS_IN, *FLOWS_OUT) if f"| {flow.name} |" not in page] == []


def test_the_operator_of_the_chart_has_the_label_that_is_let_in() -> None:
    template = charts.one(charts.rendered(), "Deployment")["spec"]["template"]
    assert labels.OPERATOR.items() <= template["metadata"]["labels"].items()
