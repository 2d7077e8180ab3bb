"""NetworkPolicies on a network that enforces them: what a resource needs goes through, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from analytics_operator.api.ports import HTTP_PORT, METRICS_PORT
from e2e.conftest import wait_in_order, wait_ready
from e2e.installation import TAG, analyticsapi
from e2e.kubectl import Kubectl, eventually

NAME = "walled"
STORES: dict[str, Any] = {
    each: {"to": [{"podSelector": {"matchLabels": {"app": app}}}]}
    for each, app in (("database", "postgres"), ("redis", "redis"))
}
POLICY = {
    "ingressFrom": [{"podSelector": {"matchLabels": {"role": "client"}}}],
    "monitoringFrom": [{"podSelector": {"matchLabels": {"role": "monitoring"}}}],
    **STORES,
}
DIAL = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
except OSError:
    print("no")
else:
    print("open")
"""


@pytest.fixture(scope="module", autouse=True)
def walled(kubectl: Kubectl, kube_router: None) -> Iterator[None]:
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=1, networkPolicy=POLICY))
    for role in ("client", "monitoring", "nobody"):
        kubectl.apply(dialler(f"{kubectl.image_prefix}analytics-service:{TAG}", role))
        kubectl("wait", "--for=condition=Ready", f"pod/{role}", "--timeout=60s")
    yield
    kubectl("delete", "aapi", NAME)
    kubectl("delete", "pod", "client", "monitoring", "nobody", "--grace-period=1")


def dialler(image: str, role: str) -> dict[str, Any]:
    container = {
        "name": "dialler",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/app/bin/python", "-m", "http.server", "8000"],
        "workingDir": "/tmp",  # noqa: S108 - in its container
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "securityContext": security, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": role, "labels": {"role": role}}, "spec": spec}


def dialled(kubectl: Kubectl, source: str, host: str, port: int) -> str:
    """`open` or `no`."""
    return kubectl("exec", source, "--", "/app/bin/python", "-c", DIAL, host, str(port)).strip()


def address(kubectl: Kubectl, labels: str) -> str:
    (pod,) = kubectl.list("pods", selector=labels)
    found: str = pod["status"]["podIP"]
    return found


def test_the_resource_becomes_ready_and_its_worker_is_asked(kubectl: Kubectl) -> None:
    wait_ready(kubectl, NAME)
    wait_in_order(kubectl, NAME)


@pytest.mark.parametrize(
    ("source", "port", "expected"),
    [
        ("client", HTTP_PORT, "open"),
        ("client", METRICS_PORT, "no"),
        ("monitoring", METRICS_PORT, "open"),
        ("nobody", HTTP_PORT, "no"),
    ],
)
def test_who_may_connect_to_the_pods(kubectl: Kubectl, source: str, port: int, expected: str) -> None:
    wait_ready(kubectl, NAME)
    host = address(kubectl, f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=api")
    eventually(lambda: dialled(kubectl, source, host, port) == expected, seconds=30, what=f"{source} {port} {expected}")


@pytest.mark.parametrize(("component", "redis"), [("", "open"), ("-worker", "no")])
def test_pods_reach_their_stores_and_nobody_else(kubectl: Kubectl, component: str, redis: str) -> None:
    wait_ready(kubectl, NAME)
    pods = f"deployment/{NAME}{component}"
    assert dialled(kubectl, pods, "postgres", 5432) == "open"
    assert dialled(kubectl, pods, "redis", 6379) == redis
    assert dialled(kubectl, pods, address(kubectl, "role=client"), 8000) == "no"
    assert dialled(kubectl, pods, "kubernetes.default.svc", 443) == "no"
