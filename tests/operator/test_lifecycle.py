"""From a resource to children, to Ready, to repair and to nothing, on a real API server."""

import pytest

from analytics_operator.kube import names
from analytics_operator.kube.labels import Component, common
from tests.operator.cluster_actor import ClusterActor, a_result, released_of
from tests.operator.conftest import Operator
from tests.support.kube import Object, eventually

pytestmark = pytest.mark.kube

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}


def test_a_resource_gets_its_children_and_becomes_ready(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.declare(replicas=2, redis=REDIS)
    job = world.live_job()
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo"), what="the last child")
    assert world.deployment() is None, "nothing is released before the database is migrated"
    for kind in ("Service", "ServiceAccount", "PodDisruptionBudget"):
        assert world.api.get(kind, "demo")["metadata"]["ownerReferences"][0]["name"] == "demo"
    world.end(job, message=a_result(), succeeded=True)
    world.settle()
    workers = world.api.get("Service", "demo-worker")["spec"]
    template = world.api.get("Deployment", "demo-worker")["spec"]["template"]
    assert (workers["clusterIP"], workers["publishNotReadyAddresses"]) == ("None", True)
    assert workers["selector"].items() <= template["metadata"]["labels"].items()
    assert [(each["port"], each["targetPort"]) for each in workers["ports"]] == [(9091, "metrics")]
    assert "metrics" in {each["name"] for each in template["spec"]["containers"][0]["ports"]}
    status = world.resource()["status"]
    assert status["observedGeneration"] == 1
    assert status["schema"] == {"version": 2, "target": 2, "edition": "postgresql"}
    assert status["readyReplicas"] == 2
    assert status["image"] == "analytics-service:1.0.0"
    assert status["endpoints"]["http"] == f"http://demo.{world.api.namespace}.svc"
    assert world.condition("Stalled")["status"] == world.condition("Reconciling")["status"] == "False"
    for reason in ("SecretGenerated", "MigrationStarted", "MigrationSucceeded", "Released", "Ready"):
        eventually(lambda r=reason: world.events(r), what=f"an Event {reason}")  # type: ignore[misc]


def test_no_secret_value_is_written_anywhere_but_into_the_generated_secret(world: ClusterActor) -> None:
    world.ready()
    written: list[Object] = [world.resource(), *world.api.list("Event")]
    for kind in ("ConfigMap", "Deployment", "Job", "Service"):
        written += world.api.list(kind)
    assert "correct-horse" not in str(written)


def test_a_password_in_a_message_of_a_failed_pod_reaches_no_condition_event_or_log(
    world: ClusterActor, operator: Operator
) -> None:
    world.credentials()
    world.declare()
    traceback = "Traceback\nValueError: invalid literal for int() with base 10: 'correct-ho'\n"
    world.end(world.live_job(), message=traceback, succeeded=False)
    assert "kubectl describe pod" in world.until("Migrated", "False", "MigrationFailed")["message"]
    eventually(lambda: world.events("MigrationFailed"), what="an Event")
    assert "correct" not in str([world.resource(), *world.api.list("Event")])
    assert "correct" not in operator.log.read_text()


@pytest.mark.parametrize("kind", ["Service", "ServiceAccount", "Deployment"])
def test_a_deleted_child_comes_back(world: ClusterActor, kind: str) -> None:
    world.ready()
    before = world.api.get(kind, "demo")["metadata"]["uid"]
    world.api.delete(kind, "demo")
    eventually(lambda: world.api.get(kind, "demo")["metadata"]["uid"] != before, what=f"a new {kind}")
    world.settle()


def test_a_deleted_config_map_comes_back(world: ClusterActor) -> None:
    world.ready()
    (name,) = config_maps(world)
    world.api.delete("ConfigMap", name)
    eventually(lambda: world.api.find("ConfigMap", name), what="the ConfigMap")


def test_an_edited_child_is_put_right_and_what_others_added_stays(world: ClusterActor) -> None:
    world.ready()
    foreign = {"metadata": {"labels": {"team": "blue"}}, "spec": {"replicas": 7, "minReadySeconds": 3}}
    world.api.merge("Deployment", "demo", foreign)
    healed = eventually(
        lambda: (found := world.api.get("Deployment", "demo"))["spec"]["replicas"] == 1 and found,
        what="one replica again",
    )
    assert healed["metadata"]["labels"]["team"] == "blue"
    assert healed["spec"]["minReadySeconds"] == 3


def test_a_field_that_is_not_wanted_any_more_goes(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(redis=REDIS)
    names = {each["name"] for each in env_of(world)}
    assert "REDIS_URL" in names
    world.edit(redis=None)
    eventually(lambda: "REDIS_URL" not in {each["name"] for each in env_of(world)}, what="no REDIS_URL")


def env_of(world: ClusterActor) -> list[Object]:
    found: list[Object] = world.api.get("Deployment", "demo")["spec"]["template"]["spec"]["containers"][0]["env"]
    return found


def test_new_settings_come_in_a_new_config_map_and_the_old_one_stays_while_it_is_read(world: ClusterActor) -> None:
    world.ready()
    (old,) = config_maps(world)
    template = world.api.get("Deployment", "demo")["spec"]["template"]
    labels = template["metadata"]["labels"]
    old_pods = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "demo-1", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    world.api.create(old_pods)
    world.edit(logging={"level": "debug"})
    eventually(lambda: len(config_maps(world)) == 2, what="the new ConfigMap")
    world.settle()
    assert old in config_maps(world), "a rollback finds its settings"
    world.api.delete("ReplicaSet", "demo-1")
    world.edit(cache={"defaultTtlSeconds": 60})
    eventually(lambda: old not in config_maps(world), what="the old ConfigMap is gone")


def config_maps(world: ClusterActor) -> set[str]:
    """Names of those that hold settings."""
    found = world.api.list("ConfigMap", "app.kubernetes.io/instance=demo")
    return {each["metadata"]["name"] for each in found} - {names.released("demo")}


def test_replicas_follow_the_scale_subresource_and_bring_the_budget(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(redis=REDIS)
    assert world.api.find("PodDisruptionBudget", "demo") is None, "one replica: a budget would block every drain"
    world.api.merge("AnalyticsApi", "demo", {"spec": {"replicas": 3}}, subresource="/scale")
    eventually(lambda: world.api.get("Deployment", "demo")["spec"]["replicas"] == 3, what="three replicas")
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo"), what="a budget")
    world.api.merge("AnalyticsApi", "demo", {"spec": {"replicas": 1}}, subresource="/scale")
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo") is None, what="no budget")


def test_suspend_writes_nothing_to_children_and_still_the_status(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(replicas=2, redis=REDIS)
    world.edit(suspend=True)
    assert "nothing waits" in world.until("Ready", "True", "Suspended")["message"]
    world.api.delete("Service", "demo")
    assert world.until("Ready", "False", "Suspended")["message"].startswith("Service demo would change")
    world.edit(cache={"defaultTtlSeconds": 5})
    eventually(lambda: "Deployment demo, " in world.condition("Ready")["message"], what="what waits")
    worker = world.api.get("Service", "demo-worker")["metadata"]["resourceVersion"]
    world.api.merge("PodDisruptionBudget", "demo", {"spec": {"maxUnavailable": 2}})
    eventually(lambda: "PodDisruptionBudget demo" in world.condition("Ready")["message"], what="an edited child")
    assert world.api.get("Service", "demo-worker")["metadata"]["resourceVersion"] == worker
    world.edit(cache={"defaultTtlSeconds": 6})
    eventually(lambda: world.resource()["status"]["observedGeneration"] == 4, what="the status of generation 4")
    assert world.api.find("Service", "demo") is None
    world.edit(suspend=False)
    world.settle()
    assert world.api.find("Service", "demo")
    settings = released_of(world.api.get("Deployment", "demo"))["spec"]["containers"][0]["envFrom"][0]["configMapRef"]
    assert world.api.get("ConfigMap", settings["name"])["data"]["CACHE_DEFAULT_TTL"] == "6"


def test_a_child_of_somebody_else_is_left_alone(world: ClusterActor) -> None:
    port = {"name": "x", "port": 1}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo"}, "spec": {"ports": [port]}}
    created = world.api.create(theirs)
    world.credentials()
    world.declare()
    world.until("Stalled", "True", "ChildConflict")
    assert "Service demo exists and is not ours" in world.condition("Ready")["message"]
    assert world.api.get("Service", "demo")["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    assert world.api.find("ServiceAccount", "demo"), "other children are made"
    assert world.jobs() == [], "no migration starts for pods that could not be released"
    world.api.delete("Service", "demo")
    world.migrate()
    world.settle()


@pytest.mark.parametrize("name", ["demo", "demo-worker"])
def test_a_deployment_of_somebody_else_is_noticed_before_the_migration(world: ClusterActor, name: str) -> None:
    labels = {"app": "theirs"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    world.api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
    world.credentials()
    world.declare()
    assert f"Deployment {name} exists" in world.until("Stalled", "True", "ChildConflict")["message"]
    assert world.jobs() == []
    world.api.delete("Deployment", name)
    world.migrate()
    world.settle()


def test_a_resource_that_has_the_name_of_anothers_worker_is_told_before_its_migration(world: ClusterActor) -> None:
    world.ready()
    world.declare("demo-worker")
    message = world.until("Stalled", "True", "ChildConflict", name="demo-worker")["message"]
    assert "demo-worker belongs to AnalyticsApi demo" in message
    assert "rename this resource" in message
    assert world.jobs("demo-worker") == []
    assert world.condition("Ready")["status"] == "True", "the other goes on"


def test_an_orphan_with_our_labels_is_adopted(world: ClusterActor) -> None:
    labels = common("demo", Component.API)
    orphan = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "demo", "labels": labels}}
    uid = world.api.create(orphan)["metadata"]["uid"]
    world.ready()
    adopted = world.api.get("ServiceAccount", "demo")["metadata"]
    assert adopted["uid"] == uid
    assert adopted["ownerReferences"][0]["name"] == "demo"


def test_children_of_an_earlier_resource_are_awaited(world: ClusterActor) -> None:
    world.ready()
    old = world.api.get("Service", "demo")["metadata"]["uid"]
    world.api.delete("AnalyticsApi", "demo")  # no garbage collector runs here: its children stay
    world.declare()
    conflicts = 'analytics_operator_reconcile_seconds_count{outcome="Conflict"}'
    eventually(lambda: world.metric(conflicts) > 0, what="the operator waits")
    assert world.api.get("Service", "demo")["metadata"]["uid"] == old
    for kind in ("ConfigMap", "Job"):
        for each in world.api.list(kind, "app.kubernetes.io/instance=demo"):
            world.api.delete(kind, each["metadata"]["name"])
    world.api.delete("Secret", "demo-jwt")
    for kind in ("Service", "Deployment"):
        world.api.delete(kind, "demo-worker")
    for kind in ("ServiceAccount", "Deployment", "Service"):  # the last one holds it up: nothing else is made meanwhile
        world.api.delete(kind, "demo")
    world.migrate()
    world.settle()


def test_an_idle_resource_is_not_written(world: ClusterActor) -> None:
    world.ready()
    kinds = ("AnalyticsApi", "Deployment", "Service", "ServiceAccount")

    def versions() -> dict[str, str]:
        return {kind: world.api.get(kind, "demo")["metadata"]["resourceVersion"] for kind in kinds}

    def look_again() -> dict[str, str] | None:
        """The versions before a forced look that changed none of them."""
        applies = world.metric("analytics_operator_apply_unchanged_total")
        before = versions()
        poke = {
            "metadata": {"labels": {"app.kubernetes.io/instance": "demo"}, "annotations": {"poked": before["Service"]}}
        }
        world.api.merge("ConfigMap", next(iter(config_maps(world))), poke)
        eventually(lambda: world.metric("analytics_operator_apply_unchanged_total") >= applies + 3, what="a look")
        return before if versions() == before else None

    assert eventually(look_again, what="a look that changes nothing")


def test_a_database_that_allows_fewer_connections_than_pods_may_open_is_warned_of(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.declare(redis=REDIS, autoscaling={})
    world.migrate(connection_limit=100)
    world.settle()
    assert "223 connections" in world.until("ConnectionBudget", "False", "ExceedsLimit")["message"]
    assert world.resource()["status"]["schema"]["connectionLimit"] == 100
    eventually(lambda: world.events("ConnectionBudgetExceeded"), what="an Event")
    world.edit(database={"connectionBudget": 100})
    world.until("ConnectionBudget", "True", "WithinLimit")
    world.settle()
