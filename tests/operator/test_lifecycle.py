"""From a resource to children and back, on a real API server."""

import pytest

from tests.operator.play import Play, image_of
from tests.support.kube import eventually

pytestmark = pytest.mark.kube


def test_a_resource_gets_its_children_and_becomes_ready(world: Play) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.declare(replicas=2, redis={"urlSecretRef": {"name": "credentials", "key": "redis-url"}})
    job = world.live_job()
    assert world.deployment() is None, "nothing is released before the database is migrated"
    for kind in ("Service", "ServiceAccount", "PodDisruptionBudget"):
        assert world.api.get(kind, "demo")["metadata"]["ownerReferences"][0]["name"] == "demo"
    world.end(job, message=world_result(), succeeded=True)
    world.roll_out()
    ready = world.until("Ready", "True", "AsDeclared")
    status = world.resource()["status"]
    assert ready["observedGeneration"] == status["observedGeneration"] == 1
    assert status["schema"] == {"version": 2, "target": 2, "edition": "postgresql"}
    assert status["readyReplicas"] == 2
    assert status["image"] == "analytics-service:1.0.0"
    assert world.condition("Stalled")["status"] == world.condition("Reconciling")["status"] == "False"
    for reason in ("SecretGenerated", "MigrationStarted", "MigrationSucceeded", "Released", "Ready"):
        eventually(lambda r=reason: world.events(r), what=f"an Event {reason}")  # type: ignore[misc]


def world_result() -> str:
    from tests.operator.play import a_result  # noqa: PLC0415

    return a_result()


def test_x(world: Play) -> None:
    world.ready()
    assert image_of(world.deployment() or {}) == "analytics-service:1.0.0"
