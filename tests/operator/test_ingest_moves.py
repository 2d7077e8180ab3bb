"""Rows move to pods of their own and back, on a real API server."""

from typing import Any

import pytest

from tests.operator.cluster_actor import ClusterActor, image_of
from tests.operator.test_ingest import KNOWN, REDIS
from tests.support.kube import eventually

pytestmark = pytest.mark.kube


def taking(world: ClusterActor, **spec: Any) -> None:
    """A Ready resource whose image takes rows."""
    world.credentials(redis_url="redis://redis:6379/0")
    world.declare(redis=REDIS, **spec)
    world.migrate(settings=list(KNOWN))
    world.settle()


def takes_rows(world: ClusterActor, name: str) -> bool:
    """Whether clients are sent to the pods that the Deployment makes."""
    selector = world.api.get("Service", "demo-ingest")["spec"]["selector"]
    labelled = world.api.get("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return bool(selector.items() <= labelled.items())


def test_rows_are_taken_at_every_moment_while_that_moves_to_pods_of_its_own_and_back(world: ClusterActor) -> None:
    taking(world)
    assert takes_rows(world, "demo")
    assert world.deployment("demo-ingest") is None
    assert world.resource()["status"]["endpoints"]["ingest"] == f"http://demo-ingest.{world.api.namespace}.svc"

    world.edit(ingest={"replicas": 2})
    made = eventually(lambda: world.deployment("demo-ingest"), what="pods that only take rows")
    assert made["spec"]["replicas"] == 2
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo-ingest"), what="their budget")
    world.until("IngestAvailable", "False")
    assert takes_rows(world, "demo"), "nobody else does yet"
    world.roll_out("demo-ingest")
    eventually(lambda: not takes_rows(world, "demo"), what="the API hands over")
    assert takes_rows(world, "demo-ingest")
    assert world.api.get("Deployment", "demo")["spec"]["template"]["spec"]["containers"][0]["args"][1:] == [
        "--only",
        "api",
    ]
    world.settle()
    world.until("IngestAvailable", "True", "MinimumReplicasAvailable")
    eventually(lambda: world.events("IngestAvailable"), what="an Event")

    world.edit(ingest={"replicas": None})
    eventually(lambda: takes_rows(world, "demo"), what="the API takes over again")
    assert world.deployment("demo-ingest"), "its pods are not there yet"
    world.roll_out("demo")
    eventually(lambda: world.deployment("demo-ingest") is None, what="no pods that only take rows")
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo-ingest") is None, what="no budget")
    world.settle()
    assert world.condition("IngestAvailable")["status"] is None


def test_an_unfinished_migration_holds_the_template_and_nothing_else(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 1})
    world.edit(image={"repository": "analytics-service", "tag": "2.0.0"}, ingest={"replicas": 2})
    world.live_job()
    eventually(lambda: world.api.get("Deployment", "demo-ingest")["spec"]["replicas"] == 2, what="two replicas")
    before = world.api.get("Deployment", "demo-ingest")
    assert image_of(before) == "analytics-service:1.0.0"
    world.api.delete("Deployment", "demo-ingest")
    back = eventually(lambda: world.deployment("demo-ingest"), what="it comes back while the migration runs")
    assert back["spec"] == before["spec"]
    world.migrate(settings=list(KNOWN))
    world.settle()
    assert image_of(world.api.get("Deployment", "demo-ingest")) == "analytics-service:2.0.0"


def test_suspended_nothing_is_written_to_them(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 1})
    before = world.api.get("Deployment", "demo-ingest")["metadata"]["resourceVersion"]
    world.edit(suspend=True, ingest={"replicas": 2})
    world.until("Ready", "False", "Suspended")
    assert world.api.get("Deployment", "demo-ingest")["metadata"]["resourceVersion"] == before
    world.edit(suspend=False)
    world.settle()
    assert world.api.get("Deployment", "demo-ingest")["spec"]["replicas"] == 2


def test_switched_off_nobody_takes_rows(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 1})
    world.edit(ingest={"enabled": False})
    eventually(lambda: world.deployment("demo-ingest") is None, what="no pods that only take rows")
    world.settle()
    assert not takes_rows(world, "demo")
    assert "ingest" not in world.resource()["status"]["endpoints"]


def test_they_are_not_written_while_nothing_changes(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 2})
    kinds = ("Deployment", "Service", "PodDisruptionBudget")

    def versions() -> list[str]:
        found = [world.api.get(kind, "demo-ingest")["metadata"]["resourceVersion"] for kind in kinds]
        return [*found, world.resource()["metadata"]["resourceVersion"]]

    def look_again() -> bool:
        """Whether a forced look changed nothing."""
        applies, before = world.metric("analytics_operator_apply_unchanged_total"), versions()
        poke = {"metadata": {"annotations": {"poked": before[0]}}}
        world.api.merge("ConfigMap", "demo-released", poke)
        eventually(lambda: world.metric("analytics_operator_apply_unchanged_total") >= applies + 5, what="a look")
        return versions() == before

    assert eventually(look_again, what="a look that changes nothing")
