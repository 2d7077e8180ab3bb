"""Clients notice nothing while pods are replaced: every request is answered, on new and on kept connections."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import wait_ready
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, eventually
from e2e.probing import POD, Prober, probed

NAME = "rolling"
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}}


@pytest.fixture(scope="module")
def prober(kubectl: Kubectl) -> Iterator[Prober]:
    """Asks a service of two replicas while the tests of this file run."""
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=2, resources=SMALL))
    wait_ready(kubectl, NAME)
    with probed(kubectl, NAME, seconds=300) as asking:
        yield asking
    kubectl("delete", f"aapi/{NAME}")


def undisturbed(kubectl: Kubectl, prober: Prober, change: dict[str, Any]) -> None:
    """Applies the change, waits until every old pod is gone, and looks at what the prober saw."""
    before = pods(kubectl)
    kubectl.patch(KIND, NAME, {"spec": change})
    eventually(lambda: not before & pods(kubectl), seconds=150, what="the old pods are gone")
    wait_ready(kubectl, NAME)
    prober.undisturbed()


def pods(kubectl: Kubectl) -> set[str]:
    selector = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=api"
    return {pod["metadata"]["name"] for pod in kubectl.list("pods", selector=selector)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"cache": {"defaultTtlSeconds": 61}}, id="cache"),
        pytest.param({"logging": {"level": "warning"}}, id="logging"),
        pytest.param({"cors": {"origins": ["https://app.example"]}}, id="cors"),
    ],
)
def test_a_new_configuration_loses_no_request(kubectl: Kubectl, prober: Prober, change: dict[str, Any]) -> None:
    undisturbed(kubectl, prober, change)


def test_a_new_image_is_migrated_for_and_loses_no_request(kubectl: Kubectl, prober: Prober) -> None:
    if kubectl.image_prefix:
        pytest.skip("the image has one name only in the registry of this cluster")
    jobs = len(kubectl.list("jobs", selector=f"app.kubernetes.io/instance={NAME}"))
    undisturbed(kubectl, prober, {"image": {"repository": "docker.io/library/analytics-service"}})  # its other name
    assert len(kubectl.list("jobs", selector=f"app.kubernetes.io/instance={NAME}")) >= jobs


def test_a_drained_node_loses_no_request(kubectl: Kubectl, prober: Prober) -> None:
    nodes = kubectl("get", "nodes", "-o", "name").split()
    if len(nodes) < 2:
        pytest.skip("one node: its pods have nowhere to go")
    hosts = {pod["spec"]["nodeName"] for pod in kubectl.list("pods", selector=f"app.kubernetes.io/instance={NAME}")}
    asked_from = kubectl("get", f"pod/{POD}", "-o", "jsonpath={.spec.nodeName}")
    node = next(iter(hosts - {asked_from}), None)
    if node is None:
        pytest.skip("every pod is on the prober's node")
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s", seconds=150)
        wait_ready(kubectl, NAME)
        prober.undisturbed()
    finally:
        kubectl("uncordon", node)
