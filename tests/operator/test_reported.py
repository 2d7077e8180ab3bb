"""Small things that the status says as they are, on a real API server."""

import pytest

from analytics_operator.api.quantity import canonical
from analytics_operator.state.rollout import image_of
from analytics_operator.status.derive import derive
from tests.operator.cluster_actor import ClusterActor, a_resource, now
from tests.operator.test_migration import NOW
from tests.operator.test_status import facts
from tests.support.kube import KubeError, Object, eventually

NEXT = {"repository": "analytics-service", "tag": "9.9.9-typo"}


@pytest.mark.parametrize("component", ["api", "ingest", "worker"])
def test_the_image_is_that_of_the_service_whatever_stands_first(component: str) -> None:
    containers = [{"name": "proxy", "image": "proxy:1"}, {"name": component, "image": "analytics-service:1"}]
    assert image_of({"spec": {"template": {"spec": {"containers": containers}}}}) == "analytics-service:1"


def test_stalled_does_not_say_that_all_is_well_beside_a_failure() -> None:
    found = {each["type"]: each for each in derive(facts(), now=NOW)["conditions"]}
    assert (found["Stalled"]["status"], found["Ready"]["reason"]) == ("False", "Migrating")
    assert found["Stalled"]["message"].startswith("not Ready (Migrating)")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (1, "1"),
        ("1000", "1k"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000Ki", "1000Ki"),
        ("2.500", "2500m"),
        ("0", "0"),
    ],
)
def test_quantities_are_read_as_the_api_server_stores_them(written: object, stored: str) -> None:
    assert canonical(written) == stored


@pytest.mark.kube
def test_another_way_to_write_a_quantity_changes_nothing(world: ClusterActor) -> None:
    world.ready(resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    before = world.api.get("Deployment", "demo")["metadata"]
    ready = world.condition("Ready")["lastTransitionTime"]
    world.pause(1.1)
    world.edit(resources={"limits": {"cpu": "1000m", "memory": "1024Mi"}})
    eventually(lambda: world.resource()["status"]["observedGeneration"] == 2, what="the new generation")
    assert world.api.get("Deployment", "demo")["metadata"]["resourceVersion"] == before["resourceVersion"]
    assert world.condition("Ready")["lastTransitionTime"] == ready


@pytest.mark.kube
def test_a_fraction_without_quotes_is_refused_in_one_line(world: ClusterActor) -> None:
    with pytest.raises(KubeError) as refused:
        world.api.create(a_resource(resources={"limits": {"cpu": 0.5}}))
    message = str(refused.value)
    assert message.count("spec.resources.limits.cpu: Invalid value") == 1, message
    assert "must be of type integer,string" in message


@pytest.mark.kube
def test_the_job_of_a_tag_that_was_taken_back_goes_at_once(world: ClusterActor) -> None:
    world.ready()
    good = world.resource()["spec"]["image"]
    world.edit(image=NEXT)
    job = world.live_job()
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
    world.pod_of(job, container=waiting)
    world.api.merge("Job", job["metadata"]["name"], {"status": {"active": 1}}, subresource="/status")
    world.until("Migrated", "False", "ImagePullFailed")
    world.edit(image=good)
    eventually(lambda: world.api.find("Job", job["metadata"]["name"]) is None, what="the Job is gone", seconds=10)
    world.settle()


@pytest.mark.kube
def test_a_worker_that_a_quota_refuses_says_so(world: ClusterActor) -> None:
    world.ready()
    failure: Object = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": 'pods "demo-worker-1" is forbidden: exceeded quota: pods, used: pods=1',
        "lastTransitionTime": now(),
    }
    status = {"replicas": 0, "conditions": [failure]}
    world.api.merge("Deployment", "demo-worker", {"status": status}, subresource="/status")

    def look() -> bool:
        return "exceeded quota: pods" in world.condition("DataFresh")["message"]

    eventually(look, what="the refusal", seconds=90)


@pytest.mark.kube
def test_the_schema_outlives_the_job_and_the_status(world: ClusterActor) -> None:
    world.ready()
    before = world.resource()["status"]["schema"]
    for kind in ("Pod", "Job"):
        world.api.delete(kind)
    world.api.merge("AnalyticsApi", "demo", {"status": None}, subresource="/status")
    world.edit(cache={"defaultTtlSeconds": 5})
    world.settle()
    assert world.resource()["status"]["schema"] == before
