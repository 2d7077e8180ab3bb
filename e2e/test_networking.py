"""Sections that make objects of others' kinds, on a cluster whose CRDs come while the operator runs, and go again."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.cluster import gomodules
from e2e.conftest import wait_ready
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, condition, eventually

NAME = "routed"
ANY: list[dict[str, Any]] = [{"namespaceSelector": {}}]
SECTIONS: dict[str, Any] = {
    "ingress": {"host": "routed.example", "rateLimitPerSecond": 50, "className": "nginx"},
    "gateway": {"parentRefs": [{"name": "public"}]},
    "networkPolicy": {"ingressFrom": ANY, "monitoringFrom": ANY, "database": {"to": ANY}, "redis": {"to": ANY}},
    "monitoring": {"serviceMonitor": {}, "prometheusRule": {}, "dashboard": {}},
}
SECONDS = 60
"""That a new kind may take to be used."""


def crds() -> list[dict[str, Any]]:
    folders = (gomodules.gateway_crds(), gomodules.monitoring_crds())
    return [yaml.safe_load(file.read_text()) for folder in folders for file in sorted(folder.iterdir())]


@pytest.fixture(scope="module", autouse=True)
def routed(kubectl: Kubectl) -> Iterator[None]:
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=1, **SECTIONS))
    wait_ready(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl) -> Iterator[None]:
    """The kinds, from now on; those that the cluster had before stay at the end."""
    added = [each for each in crds() if kubectl.get("crd", each["metadata"]["name"]) is None]
    if added:
        kubectl.apply(*added)
        names = [f"crd/{each['metadata']['name']}" for each in added]
        kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")
    yield
    for each in added:
        kubectl("delete", "crd", each["metadata"]["name"])


def children(kubectl: Kubectl) -> set[str]:
    kinds = ("ingress", "networkpolicy", "httproute", "podmonitor", "servicemonitor", "prometheusrule")
    return {kind for kind in kinds if kubectl.get(kind, NAME)}


def until_children(kubectl: Kubectl, *expected: str) -> None:
    eventually(
        lambda: children(kubectl) == set(expected), seconds=SECONDS, what=f"{', '.join(expected) or 'nothing'} is there"
    )


def change(kubectl: Kubectl, **spec: Any) -> None:
    kubectl.patch(KIND, NAME, {"spec": spec})


def test_what_is_not_installed_is_reported_and_pods_serve(kubectl: Kubectl) -> None:
    if any(kubectl.get("crd", each["metadata"]["name"]) for each in crds()):
        pytest.skip("this cluster has the kinds of the Gateway API or of the Prometheus Operator")
    resource = kubectl.get(KIND, NAME)
    for kind in ("RoutesConfigured", "MonitoringConfigured"):
        assert condition(resource, kind)["reason"] == "KindNotInstalled"
    assert kubectl.get("ingress", NAME)
    assert kubectl.get("networkpolicy", f"{NAME}-migrate")
    assert kubectl.get("configmap", f"{NAME}-dashboard")


def test_kinds_that_come_are_used_and_what_is_removed_goes(kubectl: Kubectl, installed: None) -> None:
    until_children(kubectl, "ingress", "networkpolicy", "httproute", "servicemonitor", "prometheusrule")
    change(kubectl, monitoring={"serviceMonitor": None, "podMonitor": {}})
    until_children(kubectl, "ingress", "networkpolicy", "httproute", "podmonitor", "prometheusrule")
    change(kubectl, ingress=None)
    until_children(kubectl, "networkpolicy", "httproute", "podmonitor", "prometheusrule")
    change(kubectl, gateway=None, networkPolicy={"mode": "Disabled"}, monitoring=None)
    until_children(kubectl)
    wait_ready(kubectl, NAME)
