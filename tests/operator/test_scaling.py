"""Who rules the replicas, alone and on a real API server."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from analytics_operator.controller import watches
from analytics_operator.controller.workqueue import WorkQueue
from analytics_operator.kube import labels
from analytics_operator.kube.objects import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, Key, Ref, Want
from analytics_operator.plan import plan
from analytics_operator.state.observed import Observed
from analytics_operator.state.replicas import connections, pool_size, refresh_connections, to_apply
from tests.operator.cluster_actor import ClusterActor, now
from tests.operator.test_migration import NOW, RANDOM, resource
from tests.support.kube import KubeError, Object, eventually

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
BOUNDS = {"minReplicas": 2, "maxReplicas": 6}
SPEC = {"replicas": 3, "template": {"spec": {"containers": []}}}
RELEASED = {labels.RELEASED_TEMPLATE: '{"spec": {"containers": []}}', labels.MIGRATION_HASH: "0123abcd"}


def a_deployment(count: int, *managers: str) -> dict[str, Any]:
    fields: Object = {"f:spec": {"f:replicas": {}}}
    return {
        "metadata": {"managedFields": [{"manager": each, "fieldsV1": fields} for each in managers]},
        "spec": {"replicas": count},
    }


@pytest.mark.parametrize(
    ("autoscaling", "deployment", "applied"),
    [
        pytest.param(None, None, 4, id="the spec, at first"),
        pytest.param(None, a_deployment(7, "somebody"), 4, id="the spec, whoever else wrote"),
        pytest.param(BOUNDS, None, 4, id="at first the spec within the bounds"),
        pytest.param({"minReplicas": 5, "maxReplicas": 6}, None, 5, id="at first not under the bounds"),
        pytest.param({"minReplicas": 1, "maxReplicas": 3}, None, 3, id="at first not over the bounds"),
        pytest.param(BOUNDS, a_deployment(3, "analytics-operator"), 3, id="what is there, while nobody else rules"),
        pytest.param(BOUNDS, a_deployment(5, "kube-controller-manager"), None, id="released to the autoscaler"),
        pytest.param(BOUNDS, a_deployment(5, "analytics-operator", "kube-controller-manager"), None, id="shared"),
    ],
)
def test_what_is_applied(autoscaling: Any, deployment: Any, applied: int | None) -> None:
    assert to_apply(resource(replicas=4, redis=REDIS, autoscaling=autoscaling), deployment) == applied


@pytest.mark.parametrize(
    ("autoscaling", "manager", "guarded"),
    [
        pytest.param(BOUNDS, "analytics-operator", True, id="what is there is applied only if it still is"),
        pytest.param(BOUNDS, "kube-controller-manager", False, id="nothing is applied"),
        pytest.param(None, "analytics-operator", False, id="the spec is applied, whatever is there"),
    ],
)
def test_an_autoscaler_that_was_faster_is_not_overwritten(autoscaling: Any, manager: str, *, guarded: bool) -> None:
    wanted = resource(replicas=3, redis=REDIS, autoscaling=autoscaling)
    live = a_deployment(3, manager)
    live["metadata"] |= {"resourceVersion": "7", "annotations": RELEASED}
    secrets = {"credentials": {"database-url": b"x", "redis-url": b"y"}, "demo-jwt": {"jwt-secret": b"0" * 32}}
    found = plan(
        Observed(resource=wanted, secrets=secrets, deployment=live | {"spec": SPEC}), now=NOW, random_text=RANDOM
    )
    (manifest,) = [
        each.manifest for each in found.decisions if isinstance(each, Want) and each.ref == Ref(DEPLOYMENT, "demo")
    ]
    assert manifest["metadata"].get("resourceVersion") == ("7" if guarded else None)


@pytest.mark.parametrize(
    ("budget", "spec", "pool"),
    [
        pytest.param(None, {"replicas": 3}, 20, id="none"),
        pytest.param(43, {"replicas": 3}, 10, id="shared by three, and one more while they are replaced"),
        pytest.param(400, {"replicas": 3}, 20, id="poolSize is the most"),
        pytest.param(11, {"replicas": 3}, 2, id="the least"),
        pytest.param(58, {"replicas": 3, "autoscaling": BOUNDS}, 7, id="of the most that an autoscaler makes"),
    ],
)
def test_a_budget_is_shared_by_all_pods(budget: int | None, spec: dict[str, Any], pool: int) -> None:
    database = {"urlSecretRef": {"name": "credentials", "key": "database-url"}, "connectionBudget": budget}
    wanted = resource(redis=REDIS, database=database, **spec)
    assert pool_size(wanted, 0) == pool
    most = spec.get("autoscaling", {}).get("maxReplicas", spec["replicas"])
    assert budget is None or pool * (most + 1) + wanted.spec.worker.replicas + 2 <= budget


@pytest.mark.parametrize(
    ("budget", "refreshing"),
    [
        pytest.param(None, 2, id="no budget"),
        pytest.param(43, 2, id="enough"),
        pytest.param(12, 1, id="one is left"),
        pytest.param(11, 0, id="none is left"),
    ],
)
def test_a_worker_refreshes_with_what_the_budget_leaves(budget: int | None, refreshing: int) -> None:
    database = {"urlSecretRef": {"name": "credentials", "key": "database-url"}, "connectionBudget": budget}
    wanted = resource(redis=REDIS, database=database, replicas=3)
    assert refresh_connections(wanted, known=True) == refreshing
    assert refresh_connections(wanted, known=False) == 0
    assert budget is None or connections(wanted, pool_size(wanted, refreshing), refreshing) <= budget


def autoscaled(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(replicas=2, redis=REDIS, autoscaling=BOUNDS)


def rescale(world: ClusterActor, count: int) -> None:
    """As the HorizontalPodAutoscaler's controller does."""
    body = {"spec": {"replicas": count}}
    path = f"/apis/apps/v1/namespaces/{world.api.namespace}/deployments/demo/scale?fieldManager=kube-controller-manager"
    world.api.request("PATCH", path, body=body, content_type="application/merge-patch+json")


def count_of(world: ClusterActor) -> int:
    count: int = world.api.get("Deployment", "demo")["spec"]["replicas"]
    return count


@pytest.mark.kube
def test_the_autoscaler_is_not_fought(world: ClusterActor) -> None:
    autoscaled(world)
    rescale(world, 5)
    world.edit(cache={"defaultTtlSeconds": 1})
    world.settle()
    assert count_of(world) == 5
    assert world.resource()["status"]["desiredReplicas"] == 5
    world.edit(cache={"defaultTtlSeconds": 2})
    world.settle()
    assert count_of(world) == 5, "a field that nobody applies would have fallen back to 1"


@pytest.mark.kube
def test_without_the_autoscaler_the_spec_decides_again(world: ClusterActor) -> None:
    autoscaled(world)
    rescale(world, 5)
    world.edit(autoscaling=None)
    eventually(lambda: count_of(world) == 2, what="two replicas")
    eventually(lambda: world.api.find("HorizontalPodAutoscaler", "demo") is None, what="no autoscaler")
    world.settle()
    assert world.condition("ScalingActive")["status"] is None


@pytest.mark.kube
def test_scaling_by_hand_is_refused_while_the_autoscaler_rules(world: ClusterActor) -> None:
    autoscaled(world)
    with pytest.raises(KubeError, match=r"change autoscaling\.minReplicas"):
        world.api.merge("AnalyticsApi", "demo", {"spec": {"replicas": 4}}, subresource="/scale")


@pytest.mark.kube
def test_an_autoscaler_without_metrics_is_reported(world: ClusterActor) -> None:
    autoscaled(world)
    assert world.condition("ScalingActive")["reason"] == "MetricsAwaited"
    blind: Object = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "FailedGetResourceMetric",
        "message": "unable to get metrics for resource cpu",
        "lastTransitionTime": now(),
    }
    status = {"currentReplicas": 2, "desiredReplicas": 2, "conditions": [blind]}
    world.api.merge("HorizontalPodAutoscaler", "demo", {"status": status}, subresource="/status")
    found = world.until("ScalingActive", "False", "FailedGetResourceMetric")
    assert "unable to get metrics" in found["message"]
    assert world.condition("Ready")["status"] == "True", "the pods serve all the same"


async def test_fresh_metrics_of_an_autoscaler_are_no_reason_to_look() -> None:
    looks: list[Key] = []

    async def look(key: Key) -> timedelta:
        looks.append(key)
        return timedelta(hours=1)

    queue = WorkQueue(look, on_done=lambda *_: None)
    worker = asyncio.create_task(queue.work())
    heard = watches._child_changed(queue, HORIZONTAL_POD_AUTOSCALER, lambda *_: None, lambda *_: True)
    owner = {"kind": "AnalyticsApi", "name": "demo", "uid": "1", "controller": True}

    async def tell(kind: str | None, *, cpu: int, able: str = "True", least: int = 2) -> int:
        metadata = {"namespace": "llm", "name": "demo", "uid": "2", "ownerReferences": [owner]}
        verdict = {"type": "ScalingActive", "status": able, "reason": "Why"}
        status = {"currentMetrics": [cpu], "conditions": [verdict]}
        before = len(looks)
        body = {"metadata": metadata, "spec": {"minReplicas": least}, "status": status}
        await heard(event={"type": kind, "object": body})
        await asyncio.sleep(0.01)
        return len(looks) - before

    assert await tell("ADDED", cpu=1) == 1
    assert await tell("MODIFIED", cpu=2) == 0
    assert await tell("MODIFIED", cpu=2, able="False") == 1
    assert await tell("MODIFIED", cpu=3, able="False", least=3) == 1, "somebody edited it"
    assert await tell(None, cpu=4, able="False", least=3) == 1, "a relist is a resync"
    assert await tell("DELETED", cpu=4, able="False", least=3) == 1
    worker.cancel()
