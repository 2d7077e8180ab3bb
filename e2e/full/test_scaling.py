"""An autoscaler with real metrics APIs: pods come with the load and go after it, and nobody else sets them."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import wait_ready
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, condition, eventually
from e2e.probing import probed

NAME = "scaling"
AT_ONCE = {"stabilizationWindowSeconds": 0}
BOUNDS: dict[str, Any] = {
    "minReplicas": 1,
    "maxReplicas": 3,
    "memoryUtilization": "Ignored",
    "behavior": {"scaleUp": AT_ONCE, "scaleDown": AT_ONCE},
}
REQUESTS = {"requests": {"cpu": "20m", "memory": "128Mi"}}
"""So little CPU that forty requests a second are a load."""
RATE = {"metric": {"name": "http_requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "10"}}
FOLLOWED: dict[str, tuple[str, dict[str, Any]]] = {
    "cpu": ("metrics_server", {"cpuUtilization": 80}),
    "pods": ("metrics_adapter", {"cpuUtilization": "Ignored", "metrics": [{"type": "Pods", "pods": RATE}]}),
    "external": ("metrics_adapter", {"cpuUtilization": "Ignored", "metrics": [{"type": "External", "external": RATE}]}),
}
"""What is followed, by the add-on that measures it."""


@pytest.fixture(params=FOLLOWED)
def scaling(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[None]:
    addon, metrics = FOLLOWED[request.param]
    request.getfixturevalue(addon)
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=None, resources=REQUESTS, autoscaling=BOUNDS | metrics))
    wait_ready(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


def deployment(kubectl: Kubectl) -> dict[str, Any]:
    found = kubectl.get("deployment", NAME)
    assert found is not None
    return found


@pytest.mark.usefixtures("scaling")
def test_pods_come_with_the_load_and_go_after_it(kubectl: Kubectl) -> None:
    eventually(
        lambda: condition(kubectl.get(KIND, NAME), "ScalingActive")["status"] == "True",
        seconds=120,
        what="the autoscaler has metrics",
    )
    settled(kubectl, 1, seconds=180)
    with probed(kubectl, NAME, seconds=600) as prober:
        eventually(lambda: deployment(kubectl)["spec"]["replicas"] > 1, seconds=180, what="more pods under load")
        wait_ready(kubectl, NAME)
        prober.undisturbed()
    settled(kubectl, 1, seconds=300)
    wait_ready(kubectl, NAME)
    writers = [each for each in deployment(kubectl)["metadata"]["managedFields"] if replicas_are_of(each)]
    assert [each.get("subresource") for each in writers] == ["scale"], "only the autoscaler sets the number"


def settled(kubectl: Kubectl, replicas: int, *, seconds: float) -> None:
    eventually(lambda: deployment(kubectl)["spec"]["replicas"] == replicas, seconds=seconds, what=f"{replicas} replica")


def replicas_are_of(entry: dict[str, Any]) -> bool:
    return "f:replicas" in entry["fieldsV1"].get("f:spec", {})
