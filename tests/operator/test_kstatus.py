"""What tools that wait (Helm, Flux, Argo CD, `kubectl wait`) take a resource for, on a real API server."""

import pytest

from tests.operator.cluster_actor import ClusterActor
from tests.support.kube import Object

pytestmark = pytest.mark.kube


def kstatus(resource: Object) -> str:
    """What the rules of kstatus make of a custom resource: its README, and the order in which its code applies them."""
    status, metadata = resource.get("status", {}), resource["metadata"]
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    for condition in status.get("conditions", ()):
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    ready = next((each["status"] for each in status.get("conditions", ()) if each["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"


def test_tools_that_wait_see_progress_then_success(world: ClusterActor) -> None:
    world.credentials()
    assert kstatus(world.declare()) == "InProgress"
    world.until("Migrated", "False", "Migrating")
    assert kstatus(world.resource()) == "InProgress"
    world.migrate()
    world.until("Ready", "False", "RollingOut")
    assert kstatus(world.resource()) == "InProgress"
    world.settle()
    assert kstatus(world.resource()) == "Current"
    assert kstatus(world.edit(cache={"defaultTtlSeconds": 1})) == "InProgress", (
        "nobody takes the old status for the new"
    )


def test_tools_that_wait_see_a_stop(world: ClusterActor) -> None:
    world.credentials()
    world.declare(migrations={"backoffLimit": 1})
    world.fail(reason="HistoryEdited", message="0001 was edited")
    world.until("Stalled", "True", "MigrationFailed")
    assert kstatus(world.resource()) == "Failed"
