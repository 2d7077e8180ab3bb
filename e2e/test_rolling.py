"""Clients notice nothing while pods are replaced: every request is answered, on new and on kept connections."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from analytics_service.demo.questions import RANGE
from e2e.conftest import wait_ready
from e2e.installation import KIND, TAG, analyticsapi
from e2e.kubectl import Kubectl, eventually

NAME = "rolling"
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}}
SECONDS = 300
"""The prober's own end, if nobody ends it before."""


@pytest.fixture(scope="module")
def prober(kubectl: Kubectl) -> Iterator[None]:
    """A service of two replicas, which is asked forty times a second while the tests of this file run."""
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=2, resources=SMALL))
    wait_ready(kubectl, NAME)
    token = kubectl("exec", f"deployment/{NAME}", "--", "analytics-service", "token", "--role", "admin", "--org", "x")
    address = kubectl("get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}")
    script = Path(__file__).with_name("prober.py").read_text()
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prober"}, "data": {"prober.py": script}},
        a_prober(f"{kubectl.image_prefix}analytics-service:{TAG}", address, token.strip()),
    )
    kubectl("wait", "--for=condition=Ready", "pod/prober", "--timeout=60s")
    yield
    kubectl("delete", "pod/prober", "configmap/prober", f"aapi/{NAME}", "--grace-period=1")


def a_prober(image: str, address: str, token: str) -> dict[str, Any]:
    path = f"/api/v1/metrics?{urlencode({**RANGE, 'interval': '1day', 'metrics': 'request_count'})}"
    container = {
        "name": "prober",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/probe/prober.py", address, "80", path, str(SECONDS)],
        "env": [{"name": "TOKEN", "value": token}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "script", "mountPath": "/probe"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "prober"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "script", "configMap": {"name": "prober"}}],
        },
    }


def tally(kubectl: Kubectl) -> Any:
    lines = kubectl("logs", "pod/prober", "--tail=1").splitlines()
    return json.loads(lines[-1]) if lines else {"answered": 0, "failures": []}


def undisturbed(kubectl: Kubectl, change: dict[str, Any]) -> None:
    """Applies the change, waits until every old pod is gone, and looks at what the prober saw."""
    before = pods(kubectl)
    kubectl.patch(KIND, NAME, {"spec": change})
    eventually(lambda: not before & pods(kubectl), seconds=150, what="the old pods are gone")
    wait_ready(kubectl, NAME)
    count = tally(kubectl)["answered"]
    found = eventually(
        lambda: now if (now := tally(kubectl))["answered"] > count else None, seconds=30, what="more answers"
    )
    assert found["failures"] == []


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
def test_a_new_configuration_loses_no_request(kubectl: Kubectl, prober: None, change: dict[str, Any]) -> None:
    undisturbed(kubectl, change)


def test_a_new_image_is_migrated_for_and_loses_no_request(kubectl: Kubectl, prober: None) -> None:
    if kubectl.image_prefix:
        pytest.skip("the image has one name only in the registry of this cluster")
    jobs = len(kubectl.list("jobs", selector=f"app.kubernetes.io/instance={NAME}"))
    undisturbed(kubectl, {"image": {"repository": "docker.io/library/analytics-service"}})  # its other name
    assert len(kubectl.list("jobs", selector=f"app.kubernetes.io/instance={NAME}")) >= jobs


def test_a_drained_node_loses_no_request(kubectl: Kubectl, prober: None) -> None:
    nodes = kubectl("get", "nodes", "-o", "name").split()
    if len(nodes) < 2:
        pytest.skip("one node: its pods have nowhere to go")
    hosts = {pod["spec"]["nodeName"] for pod in kubectl.list("pods", selector=f"app.kubernetes.io/instance={NAME}")}
    probed = kubectl("get", "pod/prober", "-o", "jsonpath={.spec.nodeName}")
    node = next(iter(hosts - {probed}), None)
    if node is None:
        pytest.skip("every pod is on the prober's node")
    before = tally(kubectl)["answered"]
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s", seconds=150)
        wait_ready(kubectl, NAME)
        found = tally(kubectl)
        assert found["failures"] == []
        assert found["answered"] > before
    finally:
        kubectl("uncordon", node)
