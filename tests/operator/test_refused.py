"""What is refused is said with its reason, harms no other resource, and heals by itself after the cure."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from analytics_operator.kube import labels, names
from tests.operator.cluster_actor import DSN, ClusterActor
from tests.operator.conftest import OPERATOR
from tests.support.kube import KubeApi, KubeError, Object, eventually

pytestmark = pytest.mark.kube

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
SCALED: Object = {"replicas": 2, "redis": REDIS, "autoscaling": {"minReplicas": 2, "maxReplicas": 4}}
KINDS = ("ServiceAccount", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment", "ConfigMap")
VERSIONS = {
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Job": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
}


def an_object(kind: str, name: str, **metadata: Any) -> Object:
    """A small valid object under the name that the resource's child of the kind has."""
    selector = labels.selector(name, labels.Component.API)
    pod = {"metadata": {"labels": selector}, "spec": {"containers": [{"name": "api", "image": "theirs:1"}]}}
    specs: dict[str, Object] = {
        "Deployment": {"selector": {"matchLabels": selector}, "template": pod},
        "HorizontalPodAutoscaler": {
            "maxReplicas": 9,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"},
        },
        "PodDisruptionBudget": {"maxUnavailable": 3},
        "Service": {"ports": [{"name": "x", "port": 1}]},
    }
    wanted = {"ConfigMap": names.released(name), "Secret": names.jwt_secret(name)}.get(kind, name)
    head = {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, "metadata": {"name": wanted} | metadata}
    return head | ({"spec": specs[kind]} if kind in specs else {})


def versions(api: KubeApi, name: str) -> dict[str, str]:
    """resourceVersions of all that belongs to the resource, and of itself."""
    found = {kind: api.list(kind, labels.children_of(name)) for kind in (*KINDS, "Job", "Secret")}
    children = {f"{kind} {each['metadata']['name']}": each for kind, objects in found.items() for each in objects}
    children["itself"] = api.get("AnalyticsApi", name)
    return {text: each["metadata"]["resourceVersion"] for text, each in children.items()}


@contextmanager
def forbidden(api: KubeApi, resource: str) -> Iterator[None]:
    """The operator may do nothing with the kind inside of the block."""
    role = f"default-{OPERATOR.rpartition(':')[2]}"
    rules = api.get("ClusterRole", role)["rules"]
    without = [rule | {"resources": [each for each in rule["resources"] if each != resource]} for rule in rules]
    api.merge("ClusterRole", role, {"rules": [rule for rule in without if rule["resources"]]})
    try:
        yield
    finally:
        api.merge("ClusterRole", role, {"rules": rules})


@contextmanager
def refused_by_policy(api: KubeApi, name: str) -> Iterator[None]:
    """Admission refuses Services of that name inside of the block."""
    group = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["services"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": f"object.metadata.name != '{name}'", "message": "not that name"}],
    }
    binding = {
        "policyName": "names",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}},
    }
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for kind, content in zip(kinds, (spec, binding), strict=True):
        api.create({"apiVersion": group, "kind": kind, "metadata": {"name": "names"}, "spec": content})

    def refuses() -> bool:
        try:
            api.create(an_object("Service", name), dry_run=True)
        except KubeError:
            return True
        return False

    try:
        eventually(refuses, what="the policy is in force")
        yield
    finally:
        for kind in kinds:
            api.delete(kind, "names")


def test_a_kind_that_rbac_forbids_is_named_and_comes_with_its_right(world: ClusterActor) -> None:
    world.ready("other")
    world.pause(3)  # the last look writes its status
    before = versions(world.api, "other")
    with forbidden(world.api, "services"):
        world.declare()
        stalled = world.until("Stalled", "True", "Forbidden")
        assert stalled["message"].startswith("Service demo:")
        assert versions(world.api, "other") == before
    world.migrate()
    world.settle()


def test_a_child_that_a_policy_refuses_is_named_and_comes_without_it(world: ClusterActor) -> None:
    world.ready("other")
    world.pause(3)  # as above
    before = versions(world.api, "other")
    with refused_by_policy(world.api, "demo"):
        world.declare()
        stalled = world.until("Stalled", "True", "AdmissionRefused")
        assert stalled["message"].startswith("Service demo:")
        assert "not that name" in stalled["message"]
        assert versions(world.api, "other") == before
    world.migrate()
    world.settle()


@pytest.mark.parametrize(
    "owners",
    [
        pytest.param([], id="nobody's"),
        pytest.param(
            [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "0", "controller": True}], id="somebody's"
        ),
    ],
)
def test_objects_under_names_of_children_are_left_alone(world: ClusterActor, owners: list[Object]) -> None:
    """A resource for each kind, so that they wait at the same time."""
    world.credentials(redis_url="redis://redis:6379/0")
    theirs = {kind: world.api.create(an_object(kind, kind.lower(), ownerReferences=owners)) for kind in KINDS}
    for kind in KINDS:
        world.declare(kind.lower(), **SCALED)
    for kind, found in theirs.items():
        name = found["metadata"]["name"]
        stalled = world.until("Stalled", "True", "ChildConflict", name=kind.lower())
        assert stalled["message"].startswith(f"{kind} {name}: {kind} {name} ")
        assert world.api.get(kind, name)["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
        assert world.jobs(kind.lower()) == [], "no migration starts before"
        world.api.delete(kind, name)
    for kind in KINDS:
        world.migrate(kind.lower())
        world.settle(kind.lower())


@pytest.mark.parametrize("kind", ["ConfigMap", "Job"])
def test_an_object_under_a_name_with_a_digest_is_left_alone(world: ClusterActor, kind: str) -> None:
    """The name is learned from a resource of the same spec before, which leaves nothing else behind."""
    world.credentials(jwt_secret="y" * 32)
    auth = {"jwtSecretRef": {"name": "credentials", "key": "jwt-secret"}}
    world.declare(auth=auth)
    ours = world.live_job()
    world.until("Migrated", "False", "Migrating")
    if kind == "ConfigMap":  # the settings are made when the image has said which ones it knows
        world.migrate()
        ours = settings_of(world)
        world.settle()
    world.api.delete("AnalyticsApi", "demo")
    world.pause(2)  # a look that had begun ends
    for each in (*KINDS, "Job"):
        for child in world.api.list(each, labels.children_of("demo")):
            world.api.delete(each, child["metadata"]["name"])
    name, head = ours["metadata"]["name"], {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind}
    pods = {"restartPolicy": "Never", "containers": [{"name": "theirs", "image": "theirs:1"}]}
    spec = {"spec": {"template": {"spec": pods}}} if kind == "Job" else {}
    theirs = world.api.create(head | {"metadata": {"name": name}} | spec)
    world.declare(auth=auth)
    stalled = world.until("Stalled", "True", "ChildConflict")
    assert stalled["message"].startswith(f"{kind} {name}: {kind} {name} exists and is not ours")
    assert world.api.get(kind, name)["metadata"]["uid"] == theirs["metadata"]["uid"]
    world.api.delete(kind, name)
    world.migrate()
    world.settle()


def settings_of(world: ClusterActor) -> Object:
    def look() -> Object | None:
        found = world.api.list("ConfigMap", labels.children_of("demo"))
        return next((each for each in found if each["metadata"]["name"] != names.released("demo")), None)

    return eventually(look, what="the settings")


def test_a_child_that_somebody_takes_over_is_left_to_them(world: ClusterActor) -> None:
    world.ready()
    theirs = [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "0", "controller": True}]
    taken = world.api.merge("Service", "demo", {"metadata": {"ownerReferences": theirs}})
    stalled = world.until("Stalled", "True", "ChildConflict")
    assert stalled["message"].startswith("Service demo: Service demo belongs to Node n")
    assert world.api.get("Service", "demo")["metadata"]["resourceVersion"] == taken["metadata"]["resourceVersion"]
    world.api.merge("Service", "demo", {"metadata": {"ownerReferences": []}})
    world.settle()


def test_orphans_with_our_labels_are_adopted(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    wanted = labels.common("demo", labels.Component.API)
    orphans = {kind: world.api.create(an_object(kind, "demo", labels=wanted)) for kind in KINDS}
    world.ready(**SCALED)
    owner = world.resource()["metadata"]["uid"]
    for kind, orphan in orphans.items():
        adopted = world.api.get(kind, orphan["metadata"]["name"])["metadata"]
        assert adopted["uid"] == orphan["metadata"]["uid"]
        assert [each["uid"] for each in adopted["ownerReferences"]] == [owner]


def encoded(**values: str) -> Object:
    return {"data": {key.replace("_", "-"): base64.b64encode(text.encode()).decode() for key, text in values.items()}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"database_url": " "}, "ValueEmpty", id="emptied"),
        pytest.param({"jwt_secret": "short"}, "ValueTooShort", id="shortened"),
        pytest.param(None, "SecretMissing", id="deleted"),
    ],
)
def test_a_secret_that_breaks_is_said_and_its_cure_is_noticed(
    world: ClusterActor, change: dict[str, str] | None, reason: str
) -> None:
    good = {"database_url": DSN, "jwt_secret": "y" * 32}
    world.credentials(**good)
    world.ready(auth={"jwtSecretRef": {"name": "credentials", "key": "jwt-secret"}})
    generation = world.api.get("Deployment", "demo")["metadata"]["generation"]
    if change is None:
        world.api.delete("Secret", "credentials")
    else:
        world.api.merge("Secret", "credentials", encoded(**change))
    world.until("SecretsReady", "False", reason)
    assert world.condition("Available")["status"] == "True"
    assert world.api.get("Deployment", "demo")["metadata"]["generation"] == generation, "pods keep what they have"
    if change is None:
        world.api.secret("credentials", **good)
    else:
        world.api.merge("Secret", "credentials", encoded(**good))
    world.until("SecretsReady", "True")
    world.settle()
