"""What keeps pods away is said in the status, and its cure is noticed, on a real API server."""

import pytest

from analytics_operator.kube.labels import RETRIED_AT
from tests.operator.cluster_actor import ClusterActor, now
from tests.support.kube import Object, eventually

pytestmark = pytest.mark.kube


def quota(name: str, **hard: str) -> Object:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}}


def test_an_exceeded_quota_is_named_and_other_children_are_made(world: ClusterActor) -> None:
    limit = {"count/services": "0"}
    world.api.create(quota("none", **limit))
    world.api.merge(
        "ResourceQuota", "none", {"status": {"hard": limit, "used": {"count/services": "0"}}}, subresource="/status"
    )
    world.credentials()
    world.declare()
    refused = world.until("Stalled", "True", "QuotaExceeded")
    assert refused["message"].startswith("Service demo:")
    world.migrate()
    world.roll_out()
    world.until("Available", "True")
    world.api.delete("ResourceQuota", "none")
    world.settle()


def test_an_image_that_cannot_be_pulled_is_named(world: ClusterActor) -> None:
    world.ready()
    world.edit(resources={"limits": {"cpu": "2"}})
    eventually(lambda: world.api.get("Deployment", "demo")["metadata"]["generation"] == 2, what="the rollout")
    world.roll_out(updatedReplicas=0)
    template = world.api.get("Deployment", "demo")["spec"]["template"]
    world.api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", **template["metadata"]}, "spec": template["spec"]}
    )
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such manifest"}}
    status = {"name": "api", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    world.api.merge("Pod", "p", {"status": {"containerStatuses": [status]}}, subresource="/status")
    message = world.until("Ready", "False", "ImagePullFailed")["message"]
    assert message == "Pod p cannot pull x:1 (ErrImagePull): no such manifest"
    assert world.condition("Available")["status"] == "True", "the old pods serve"
    world.settle()


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        pytest.param('violates PodSecurity "restricted:latest"', "AdmissionRefused", id="Pod Security"),
        pytest.param(
            "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no", "AdmissionRefused", id="policy"
        ),
        pytest.param(
            "exceeded quota: pods, requested: pods=1, used: pods=0, limited: pods=0", "QuotaExceeded", id="quota"
        ),
        pytest.param(
            'error looking up service account llm/demo: serviceaccount "demo" not found', "Forbidden", id="else"
        ),
    ],
)
def test_pods_that_are_refused_are_explained_and_tried_again(world: ClusterActor, why: str, reason: str) -> None:
    world.ready()
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": f'pods "demo-1" is forbidden: {why}',
        "lastTransitionTime": now(),
    }
    world.roll_out(readyReplicas=0, availableReplicas=0, conditions=[failure])
    world.until("Stalled", "True", reason)
    eventually(lambda: RETRIED_AT in annotations(world), what="the Deployment is touched")
    world.settle()
    eventually(lambda: RETRIED_AT not in annotations(world), what="no trace of it is left")


def annotations(world: ClusterActor) -> dict[str, str]:
    found: dict[str, str] = world.api.get("Deployment", "demo")["metadata"]["annotations"]
    return found


def test_transition_times_move_only_with_the_status(world: ClusterActor) -> None:
    world.ready()
    before = world.condition("SecretsReady")
    world.pause(1.1)
    world.edit(cache={"defaultTtlSeconds": 1})
    world.settle()
    after = world.condition("SecretsReady")
    assert after["observedGeneration"] == before["observedGeneration"] + 1
    assert after["lastTransitionTime"] == before["lastTransitionTime"]


def test_one_bad_resource_does_not_delay_another(world: ClusterActor) -> None:
    world.declare("bad", database={"urlSecretRef": {"name": "nowhere", "key": "x"}})
    world.ready("good")
    assert world.condition("SecretsReady", "bad")["reason"] == "SecretMissing"
