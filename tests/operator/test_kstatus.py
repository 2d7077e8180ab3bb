"""What tools that wait (Helm, Flux, Argo CD, `kubectl wait`) take a resource for, on a real API server."""

import pytest

from tests.operator.cluster_actor import ClusterActor
from tests.support.kube import Object

pytestmark = pytest.mark.kube


def kstatus(resource: Object) -> str:
    """What tools that follow the conventions of conditions take the resource for."""
    status = resource.get("status", {})
    if status.get("observedGeneration", 0) != resource["metadata"]["generation"]:
        return "InProgress"
    verdicts = {each["type"]: each["status"] for each in status.get("conditions", ())}
    if verdicts.get("Reconciling") == "True":
        return "InProgress"
    if verdicts.get("Stalled") == "True":
        return "Failed"
    return "Current" if verdicts.get("Ready", "True") == "True" else "InProgress"


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
