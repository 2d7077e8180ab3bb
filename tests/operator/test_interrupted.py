"""Whatever is cut short ends as if it had not been: an operator that is killed, a migration that is overtaken."""

import itertools
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analytics_operator.kube import labels
from tests.operator.cluster_actor import ClusterActor, a_result, image_of
from tests.operator.conftest import running, serving
from tests.support.kube import KubeApi, Object, eventually

pytestmark = pytest.mark.kube

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
NEXT = {"repository": "analytics-service", "tag": "2.0.0"}
LAST = {"repository": "analytics-service", "tag": "3.0.0"}
WHOLE = {
    "Secret": 1,
    "ServiceAccount": 1,
    "ConfigMap": 2,
    "Job": 1,
    "Deployment": 2,
    "Service": 2,
    "PodDisruptionBudget": 1,
}
"""How many of each kind a resource has in the end."""

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server that no other operator watches."""
    with serving(tmp_path_factory.mktemp("quiet")) as api:
        yield api


@pytest.fixture
def alone(quiet: KubeApi) -> ClusterActor:
    """A namespace of it."""
    name = f"alone-{next(_numbers)}"
    quiet.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return ClusterActor(replace(quiet, namespace=name))


def children(actor: ClusterActor, kind: str, name: str = "demo") -> list[Object]:
    return actor.api.list(kind, labels.children_of(name))


def at_once_when(actor: ClusterActor, kind: str, count: int) -> None:
    """Returns as soon as so many are there; of the resource itself: conditions. No pause: the next write is near."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = actor.resource().get("status", {}).get("conditions", ()) if kind == "status" else children(actor, kind)
        if len(found) >= count:
            return
    raise AssertionError(f"not {count} of {kind} within a minute")


@pytest.mark.parametrize(
    ("kind", "count", "migrated"),
    [
        pytest.param("Secret", 1, False, id="the generated Secret"),
        pytest.param("ServiceAccount", 1, False, id="the account"),
        pytest.param("Job", 1, False, id="the Job"),
        pytest.param("Service", 1, False, id="the Service"),
        pytest.param("Service", 2, False, id="the Service of the workers"),
        pytest.param("PodDisruptionBudget", 1, False, id="the budget"),
        pytest.param("status", 1, False, id="the status"),
        pytest.param("ConfigMap", 1, True, id="the settings"),
        pytest.param("ConfigMap", 2, True, id="the copy of the release"),
        pytest.param("Deployment", 1, True, id="the Deployment"),
    ],
)
def test_an_operator_killed_after_a_step_is_followed_by_one_that_finishes(
    alone: ClusterActor, tmp_path: Path, kind: str, count: int, *, migrated: bool
) -> None:
    arguments = f"--namespace={alone.api.namespace}"
    alone.credentials(redis_url="redis://redis:6379/0")
    alone.declare(replicas=2, redis=REDIS)
    with running(alone.api, tmp_path, arguments) as first:
        if migrated:
            alone.migrate()
        at_once_when(alone, kind, count)
        first.kill(signal.SIGKILL)
        first.process.wait(10)
    before = {each["metadata"]["uid"] for each_kind in WHOLE for each in children(alone, each_kind)}
    alone.api.delete("Lease", "analytics-operator")  # else the next one waits until the dead one's time is over
    with running(alone.api, tmp_path, arguments):
        if not migrated:
            alone.migrate()
        alone.settle()
    found = {each_kind: children(alone, each_kind) for each_kind in WHOLE}
    assert {each_kind: len(objects) for each_kind, objects in found.items()} == WHOLE
    everything = [each for objects in found.values() for each in objects]
    assert before <= {each["metadata"]["uid"] for each in everything}, "nothing was made twice"
    owner = alone.resource()["metadata"]["uid"]
    assert {each["metadata"]["ownerReferences"][0]["uid"] for each in everything} == {owner}


@pytest.mark.parametrize("given", [True, False], ids=["a given JWT secret", "a generated one"])
def test_a_recreated_resource_awaits_the_migration_of_its_predecessor(world: ClusterActor, *, given: bool) -> None:
    auth = {"jwtSecretRef": {"name": "credentials", "key": "jwt-secret"}} if given else None
    world.credentials(jwt_secret="y" * 32)
    world.declare(auth=auth)
    running_on = world.live_job()
    world.until("Migrated", "False", "Migrating")
    world.api.delete("AnalyticsApi", "demo")
    world.pause(1)  # a look that is under way may still make a child of the deleted one
    for kind in ("Secret", "ServiceAccount", "ConfigMap", "Service"):  # no garbage collector runs here
        for each in children(world, kind):
            world.api.delete(kind, each["metadata"]["name"])
    conflicts = 'analytics_operator_reconcile_seconds_count{outcome="Conflict"}'
    before = world.metric(conflicts)
    world.declare(auth=auth)
    eventually(lambda: world.metric(conflicts) >= before + 2, what="the operator waits")
    assert [job["metadata"]["uid"] for job in world.jobs()] == [running_on["metadata"]["uid"]]
    world.end(running_on, message=a_result(message="of another resource"), succeeded=True)
    world.api.delete("Job", running_on["metadata"]["name"])
    following = world.live_job()
    assert following["metadata"]["uid"] != running_on["metadata"]["uid"]
    assert world.deployment() is None
    world.migrate()
    world.settle()
    assert "of another resource" not in world.condition("Migrated")["message"]


def test_of_several_specs_during_a_migration_the_last_one_is_migrated_for(world: ClusterActor) -> None:
    world.credentials()
    world.declare()
    first = world.live_job()
    world.edit(image=NEXT)
    world.until("Migrated", "False", "Superseded")
    generation = world.edit(image=LAST)["metadata"]["generation"]
    eventually(lambda: world.condition("Migrated")["observedGeneration"] == generation, what="the last one is seen")
    world.end(first, message=a_result(), succeeded=True)
    following = world.migrate()
    world.settle()
    assert "3.0.0" in str(following["spec"])
    assert "2.0.0" not in str(world.jobs())
    assert image_of(world.api.get("Deployment", "demo")) == "analytics-service:3.0.0"


def test_going_back_to_the_first_spec_during_its_migration_needs_no_other(world: ClusterActor) -> None:
    world.credentials()
    image = world.declare()["spec"]["image"]
    first = world.live_job()
    world.edit(image=NEXT)
    world.until("Migrated", "False", "Superseded")
    world.edit(image=image)
    world.until("Migrated", "False", "Migrating")
    world.end(first, message=a_result(), succeeded=True)
    world.settle()
    assert [job["metadata"]["uid"] for job in world.jobs()] == [first["metadata"]["uid"]]


def test_a_job_deleted_while_it_runs_is_started_again(world: ClusterActor) -> None:
    world.credentials()
    world.declare()
    first = world.live_job()
    world.api.delete("Job", first["metadata"]["name"])
    second = world.migrate()
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    world.settle()


def test_a_migration_that_failed_for_good_is_cured_by_a_new_image(world: ClusterActor) -> None:
    world.credentials()
    world.declare()
    attempts = [world.fail(reason="HistoryEdited", message="0001 was edited") for _ in range(3)]
    assert [job["metadata"]["labels"][labels.FAILURES] for job in attempts] == ["0", "1", "2"]
    world.until("Stalled", "True", "MigrationFailed")
    assert "failure 3 of 3" in world.condition("Migrated")["message"]
    world.edit(image=NEXT)
    cure = world.migrate()
    assert cure["metadata"]["labels"][labels.FAILURES] == "0"
    world.settle()
    assert world.condition("Stalled")["status"] == "False"


def test_two_resources_on_one_database_are_both_migrated_for(world: ClusterActor) -> None:
    world.credentials()
    for name in ("one", "two"):
        world.declare(name)
    jobs = {world.migrate(name)["metadata"]["name"] for name in ("one", "two")}
    assert len(jobs) == 2
    for name in ("one", "two"):
        world.settle(name)


def test_the_longest_name_gets_every_child(world: ClusterActor) -> None:
    name = "a" * 40
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(name, replicas=2, redis=REDIS, autoscaling={"minReplicas": 2, "maxReplicas": 4})
    found = {kind: len(children(world, kind, name)) for kind in (*WHOLE, "HorizontalPodAutoscaler")}
    assert found == WHOLE | {"HorizontalPodAutoscaler": 1}
