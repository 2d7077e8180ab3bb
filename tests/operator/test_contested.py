"""What others change of children is taken back with one line and one Event, and told where they do not stop."""

import json
from typing import Any

import pytest

from analytics_operator.kube.drift import CONTESTED_SECONDS, Correction, Drift, Takeover
from analytics_operator.kube.objects import SERVICE, Key, Manifest, Ref
from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import Operator
from tests.support.kube import Object, eventually

KEY, REF = Key("llm", "demo"), Ref(SERVICE, "demo")
REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}


def owned(**managers: Any) -> Manifest:
    entries = [
        {
            "manager": name.replace("_", "-"),
            "operation": "Apply" if name == "analytics_operator" else "Update",
            "fieldsV1": fields,
        }
        for name, fields in managers.items()
    ]
    return {"metadata": {"managedFields": entries}}


TYPE: Manifest = {"f:spec": {"f:type": {}}}
NAME: Manifest = {"f:metadata": {"f:labels": {"f:a": {}}}}
PORT: Manifest = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}}}}}


def test_a_field_that_was_taken_and_is_ours_again_is_a_correction() -> None:
    drift = Drift()
    drift.written(KEY, REF, owned(analytics_operator={**TYPE, **NAME}))
    drift.observe(KEY, REF, owned(analytics_operator=NAME, kubectl=TYPE, other=NAME))
    drift.written(KEY, REF, owned(analytics_operator={**TYPE, **NAME}, other=NAME))
    assert drift.pop_corrections(KEY) == (Correction(REF, (Takeover("Service demo", "spec.type", "kubectl"),)),)
    assert drift.pop_corrections(KEY) == ()


def test_what_others_add_and_what_we_newly_apply_is_no_correction() -> None:
    drift = Drift()
    drift.written(KEY, REF, owned(analytics_operator=TYPE))
    drift.observe(KEY, REF, owned(analytics_operator=TYPE, kubectl=NAME))
    drift.written(KEY, REF, owned(analytics_operator={**TYPE, **PORT}, kubectl=NAME))
    assert drift.pop_corrections(KEY) == ()


def test_fields_of_lists_are_named_by_their_keys() -> None:
    drift = Drift()
    drift.written(KEY, REF, owned(analytics_operator=PORT))
    drift.observe(KEY, REF, owned(kubectl=PORT))
    drift.written(KEY, REF, owned(analytics_operator=PORT))
    ((takeover,),) = (each.takeovers for each in drift.pop_corrections(KEY))
    assert takeover.field == "spec.ports[80,TCP].name"


def test_a_field_is_contested_from_the_third_time_on_and_for_ten_minutes() -> None:
    now = 0.0
    drift = Drift(clock=lambda: now)
    for times in (1, 2, 3):
        drift.written(KEY, REF, owned(analytics_operator=TYPE))
        drift.observe(KEY, REF, owned(kubectl=TYPE))
        drift.written(KEY, REF, owned(analytics_operator=TYPE))
        assert len(drift.contested(KEY)) == (times == 3)
        assert len(drift.pop_corrections(KEY)) == (times < 3), "its condition says it instead"
    now = CONTESTED_SECONDS
    assert drift.contested(KEY) == ()


def take(world: ClusterActor, replicas: int) -> None:
    """As an autoscaler of the user's own does."""
    world.api.merge("Deployment", "demo", {"spec": {"replicas": replicas}}, subresource="/scale")
    eventually(lambda: world.api.get("Deployment", "demo")["spec"]["replicas"] == 2, what="two replicas again")


@pytest.mark.kube
def test_an_autoscaler_of_the_users_own_is_told_with_the_cure(world: ClusterActor, operator: Operator) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(replicas=2, redis=REDIS)
    take(world, 5)
    (event,) = eventually(lambda: world.events("DriftCorrected"), what="an Event")
    assert "Deployment demo is as declared again" in event["message"]
    assert "spec.replicas" in event["message"]
    assert len(lines(operator, world, "DriftCorrected")) == 1
    take(world, 6)
    take(world, 7)
    message = world.until("Contested", "True", "ContestedReplicas")["message"]
    assert "set spec.autoscaling instead" in message
    eventually(lambda: world.events("ContestedReplicas"), what="an Event")
    take(world, 8)
    assert len(world.events("DriftCorrected")) == 2, "no Event for each time of a contest"


@pytest.mark.kube
def test_a_manager_that_takes_a_field_back_is_named(world: ClusterActor) -> None:
    world.ready()
    for number in range(3):
        theirs = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "demo"},
            "spec": {"selector": {"app.kubernetes.io/instance": f"x{number}"}},
        }
        world.api.apply(theirs, manager="gitops")
        eventually(lambda: selector(world)["app.kubernetes.io/instance"] == "demo", what="our selector")
    message = world.until("Contested", "True", "ContestedField")["message"]
    assert "gitops sets spec.selector" in message
    assert "Service demo" in message
    assert world.condition("Ready")["status"] == "True"


def selector(world: ClusterActor) -> Object:
    found: Object = world.api.get("Service", "demo")["spec"]["selector"]
    return found


@pytest.mark.kube
def test_a_release_and_a_child_that_comes_back_have_one_line_and_one_event_each(
    world: ClusterActor, operator: Operator
) -> None:
    world.ready()
    assert len(eventually(lambda: world.events("Released"), what="an Event")) == 1
    world.api.delete("Service", "demo")
    (event,) = eventually(lambda: world.events("DriftCorrected"), what="an Event")
    assert event["message"] == "Service demo was deleted, and is there again"
    world.edit(resources={"limits": {"cpu": "2"}})
    eventually(lambda: len(world.events("Released")) == 2, what="an Event of the same image")
    world.settle()
    assert [len(lines(operator, world, each)) for each in ("Released", "DriftCorrected")] == [2, 1]


def lines(operator: Operator, world: ClusterActor, reason: str) -> list[Object]:
    found = [json.loads(line) for line in operator.log.read_text().splitlines() if f'"{reason}"' in line]
    return [each for each in found if each["resource"] == f"{world.api.namespace}/demo"]
