"""A resource that is deleted with its children orphaned, and declared again, has them again: what is safe to adopt."""

from collections.abc import Iterator

import pytest

from analytics_operator.kube import labels, names
from tests.operator.cluster_actor import ClusterActor, a_result
from tests.support.kube import Object, eventually

pytestmark = pytest.mark.kube

KINDS = (
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "PodDisruptionBudget",
    "Secret",
    "Service",
    "ServiceAccount",
)
REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}


def orphan(world: ClusterActor) -> dict[str, str]:
    """What `kubectl delete --cascade=orphan` and the garbage collector do; UIDs of the children."""
    world.api.call("DELETE", "AnalyticsApi", "demo", body={"propagationPolicy": "Orphan"})
    release(world)
    world.api.merge("AnalyticsApi", "demo", {"metadata": {"finalizers": None}})
    eventually(lambda: world.api.find("AnalyticsApi", "demo") is None, what="the resource is gone")
    world.pause(0.5)  # a look that was under way may have declared a child for the resource again
    release(world)
    return {f"{kind} {each['name']}": each["uid"] for kind, each in children(world)}


def children(world: ClusterActor) -> Iterator[tuple[str, Object]]:
    """Kind and metadata of each."""
    for kind in KINDS:
        for each in world.api.list(kind, labels.children_of("demo")):
            yield kind, each["metadata"]


def release(world: ClusterActor) -> None:
    """Takes the owner of each child away."""
    for kind, each in children(world):
        world.api.merge(kind, each["name"], {"metadata": {"ownerReferences": None}})


def confirm(world: ClusterActor, message: str) -> None:
    """The command of the condition."""
    _, command, _ = message.split("`")
    for each in command.split(" && "):
        words = each.split()
        assert words[:3] == ["kubectl", "-n", world.api.namespace]
        kind, name = {"aapi": "AnalyticsApi", "secret": "Secret"}[words[-3]], words[-2]
        key, _, value = words[-1].partition("=")
        world.api.merge(kind, name, {"metadata": {"annotations": {key: value}}})


def test_workloads_are_adopted_and_no_pod_restarts(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(replicas=2, redis=REDIS)
    before = world.api.get("Deployment", "demo")
    uids = orphan(world)
    world.declare(replicas=2, redis=REDIS)
    message = world.until("Stalled", "True", "SecretUnconfirmed")["message"]
    assert "tokens signed with this one end" in message
    confirm(world, message)
    world.migrate()
    world.settle()
    after = world.api.get("Deployment", "demo")
    assert after["spec"]["template"] == before["spec"]["template"], "the same pods"
    owner = world.resource()["metadata"]["uid"]
    for child, uid in uids.items():
        kind, name = child.split()
        metadata = world.api.get(kind, name)["metadata"]
        assert metadata["uid"] == uid
        owners = [each["uid"] for each in metadata.get("ownerReferences", [])]
        assert owners == ([] if kind in {"Job", "Secret"} else [owner]), child


def test_a_finished_job_that_nobody_controls_opens_no_gate(world: ClusterActor) -> None:
    world.ready()
    (job,) = [child for child in orphan(world) if child.startswith("Job")]
    world.declare()
    confirm(world, world.until("Stalled", "True", "SecretUnconfirmed")["message"])
    live = world.live_job()
    assert live["metadata"]["name"] == f"{job.removeprefix('Job ').removesuffix('-1')}-2", "the next number"
    world.end(live, message=a_result(), succeeded=True)
    world.settle()


def test_a_secret_is_used_only_where_both_annotations_name_it(world: ClusterActor) -> None:
    world.ready()
    orphan(world)
    world.declare()
    command = world.until("Stalled", "True", "SecretUnconfirmed")["message"].split("`")[1]
    world.api.merge("AnalyticsApi", "demo", annotated(labels.ADOPT_SECRET, "another-uid"))
    world.api.merge("Secret", "demo-jwt", annotated(labels.GENERATED_FOR, f"{world.api.namespace}/other"))
    both = eventually(lambda: two_commands(world), what="both commands", seconds=60)
    assert both.endswith(command)
    confirm(world, f"`{both}`")
    world.migrate()
    world.settle()


def two_commands(world: ClusterActor) -> str | None:
    command: str = world.condition("Stalled")["message"].split("`")[1]
    return command if "annotate secret demo-jwt" in command else None


def annotated(name: str, value: str) -> Object:
    return {"metadata": {"annotations": {name: value}}}


def test_an_orphan_under_an_autoscaler_keeps_its_replicas(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(replicas=2, redis=REDIS, autoscaling={"minReplicas": 2, "maxReplicas": 9})
    world.api.merge("Deployment", "demo", {"spec": {"replicas": 7}}, subresource="/scale")
    eventually(lambda: replicas(world) == 7, what="the autoscaler's replicas")
    orphan(world)
    world.declare(replicas=2, redis=REDIS, autoscaling={"minReplicas": 2, "maxReplicas": 9})
    confirm(world, world.until("Stalled", "True", "SecretUnconfirmed")["message"])
    world.migrate()
    world.settle()
    assert replicas(world) == 7


def replicas(world: ClusterActor) -> int:
    found: int = world.api.get("Deployment", "demo")["spec"]["replicas"]
    return found


def test_a_workload_of_another_component_is_no_orphan_of_this_name(world: ClusterActor) -> None:
    wrong = labels.common("demo", labels.Component.INGEST)
    made = world.api.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "demo", "labels": wrong}}
    )
    world.credentials()
    world.declare()
    world.until("Stalled", "True", "ChildConflict")
    found = world.api.get("ServiceAccount", "demo")["metadata"]
    assert found["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_the_generated_secret_names_its_resource(world: ClusterActor) -> None:
    world.credentials()
    world.declare()
    secret = eventually(lambda: world.api.find("Secret", names.jwt_secret("demo")), what="the Secret")
    assert secret["metadata"]["annotations"][labels.GENERATED_FOR] == f"{world.api.namespace}/demo"
