"""Whatever is in the way is named, hurts nobody else, and is forgotten within a minute of its cure.

All obstacles stand at the same time, long enough for the backoffs of Kubernetes' own controllers to grow, under one
operator of their own: it watches a namespace whose quota is used up and one where a right is missing, too.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e import installation
from e2e.conftest import wait_ready
from e2e.installation import KIND, PASSWORD, TAG, analyticsapi, secret
from e2e.kubectl import Kubectl, KubectlError, condition, eventually
from e2e.quiet import Quiet, versions

STANDING = 90
"""Seconds until the cure: by then a ReplicaSet whose pods are refused tries again after more than a minute."""
SOON = 60
"""Seconds in which an obstacle has its reason, and in which its cure makes the resource Ready."""
SMALL = {"requests": {"cpu": "10m", "memory": "96Mi"}}
INSTANCE = "app.kubernetes.io/instance"


@dataclass(frozen=True, kw_only=True)
class World:
    """Where the obstacles stand: by themselves, under the quota, and without a right. The stores are elsewhere."""

    stores: Kubectl
    plain: Kubectl
    quota: Kubectl
    rights: Kubectl
    rules: list[dict[str, Any]]
    """Of the operator's Role, as the chart gives it."""

    @property
    def policy(self) -> str:
        return f"{self.plain.namespace}-policed"

    def url(self, *, host: str = "", database: str = "llm_observatory") -> str:
        return f"postgres://llm_user:{PASSWORD}@{host or f'postgres.{self.stores.namespace}'}:5432/{database}"

    def sql(self, database: str, text: str) -> None:
        client = ("env", f"PGPASSWORD={PASSWORD}", "psql", "--host=127.0.0.1", "--username=llm_user", database)
        self.stores("exec", "deployment/postgres", "--", *client, "--set=ON_ERROR_STOP=1", f"--command={text}")

    def declare(self, kubectl: Kubectl, name: str, *, credentials: str = "credentials", **spec: Any) -> None:
        database = {"urlSecretRef": {"name": credentials, "key": "database-url"}, "poolSize": 2, "minConnections": 1}
        manifest = analyticsapi(kubectl, name, **{"replicas": 1, "resources": SMALL, "database": database} | spec)
        del manifest["spec"]["redis"]
        kubectl.apply(manifest)


def no_secret(world: World) -> None:
    world.declare(world.plain, "no-secret", credentials="later")


def with_secret(world: World) -> None:
    world.plain.apply(secret("later", **{"database-url": world.url()}))


def wrong_key(world: World) -> None:
    world.plain.apply(secret("misspelt", database_url=world.url()))
    world.declare(world.plain, "wrong-key", credentials="misspelt")


def right_key(world: World) -> None:
    world.plain.apply(secret("misspelt", **{"database-url": world.url()}))


def unreachable(world: World) -> None:
    world.plain.apply(secret("elsewhere", **{"database-url": world.url(host="database")}))
    world.declare(world.plain, "unreachable", credentials="elsewhere")


def reachable(world: World) -> None:
    """Nothing that the operator sees."""
    address = {"type": "ExternalName", "externalName": f"postgres.{world.stores.namespace}.svc.cluster.local"}
    world.plain.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "database"}, "spec": address})


def newer(world: World) -> None:
    world.sql("llm_observatory", "CREATE DATABASE newer")
    columns = "version integer, min_compatible_schema integer, made_for text"
    world.sql("newer", f"CREATE TABLE schema_meta ({columns}); INSERT INTO schema_meta VALUES (999, 999, 'plain')")
    world.sql("newer", "CREATE TABLE schema_journal (name text, number integer, sha256 text, state text)")
    world.plain.apply(secret("newer", **{"database-url": world.url(database="newer")}))
    world.declare(world.plain, "newer", credentials="newer")


def as_new(world: World) -> None:
    """And the failed Job is deleted, as the condition's message says."""
    world.sql("newer", "DROP TABLE schema_meta, schema_journal")
    world.plain("delete", "jobs", "-l", f"{INSTANCE}=newer")


def no_image(world: World) -> None:
    world.declare(world.plain, "no-image", image={"tag": "never-built"})


def right_image(world: World) -> None:
    world.plain.patch(KIND, "no-image", {"spec": {"image": {"tag": TAG}}})


def crowded(world: World) -> None:
    world.quota.patch(KIND, "crowded", {"spec": {"replicas": 1}})


def unmigrated(world: World) -> None:
    world.declare(world.quota, "unmigrated")


def limit(world: World, pods: str) -> None:
    spec = {"hard": {"pods": pods}}
    world.quota.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}, "spec": spec})
    eventually(
        lambda: ((world.quota.get("resourcequota", "pods") or {}).get("status") or {}).get("hard") == spec["hard"],
        seconds=SOON,
        what="the quota is in force",
    )


def room(world: World) -> None:
    limit(world, "10")


def forbidden(world: World) -> None:
    fewer = [rule for rule in world.rules if "deployments" not in rule["resources"]]
    world.rights.patch("role", "analytics-operator", {"rules": fewer})
    world.declare(world.rights, "forbidden")


def allowed(world: World) -> None:
    world.rights.patch("role", "analytics-operator", {"rules": world.rules})


def policed(world: World) -> None:
    """Its pods are refused; not before the policy is in force is one wanted."""
    spec: dict[str, Any] = {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.plain.namespace}},
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ],
        },
        "validations": [{"expression": f"object.metadata.?labels['{INSTANCE}'].orValue('') != 'policed'"}],
    }
    group, metadata = "admissionregistration.k8s.io/v1", {"name": world.policy}
    binding = {"policyName": world.policy, "validationActions": ["Deny"]}
    world.plain.apply(
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": binding},
    )
    probe = {"apiVersion": "v1", "kind": "Pod", **(world.plain.get("deployment", "policed") or {})["spec"]["template"]}
    probe["metadata"] |= {"name": "policed-probe"}

    def refused() -> bool:
        try:
            world.plain("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe).encode())
        except KubectlError as error:
            return "ValidatingAdmissionPolicy" in str(error)
        return False

    eventually(refused, seconds=SOON, what="the policy is in force")
    world.plain.patch(KIND, "policed", {"spec": {"replicas": 1}})


def unpoliced(world: World) -> None:
    kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    world.plain("delete", kinds, world.policy, "--ignore-not-found")


@dataclass(frozen=True)
class Obstacle:
    name: str
    where: Callable[[World], Kubectl]
    condition: str
    reason: str
    stand: Callable[[World], None]
    cure: Callable[[World], None]


def plain(world: World) -> Kubectl:
    return world.plain


def quota(world: World) -> Kubectl:
    return world.quota


def rights(world: World) -> Kubectl:
    return world.rights


OBSTACLES = (
    Obstacle("no-secret", plain, "SecretsReady", "SecretMissing", no_secret, with_secret),
    Obstacle("wrong-key", plain, "SecretsReady", "KeyMissing", wrong_key, right_key),
    Obstacle("unreachable", plain, "Migrated", "DatabaseUnreachable", unreachable, reachable),
    Obstacle("newer", plain, "Migrated", "DatabaseNewer", newer, as_new),
    Obstacle("no-image", plain, "Ready", "ImagePullFailed", no_image, right_image),
    Obstacle("crowded", quota, "Ready", "QuotaExceeded", crowded, room),
    Obstacle("unmigrated", quota, "Migrated", "PodNotCreated", unmigrated, room),
    Obstacle("forbidden", rights, "Ready", "Forbidden", forbidden, allowed),
    Obstacle("policed", plain, "Ready", "AdmissionRefused", policed, unpoliced),
)
each_obstacle = pytest.mark.parametrize("obstacle", [pytest.param(each, id=each.name) for each in OBSTACLES])


@pytest.fixture(scope="module")
def world(kubectl: Kubectl) -> Iterator[World]:
    """Three namespaces and their operator, gone afterwards."""
    side, crowd, law = (replace(kubectl, namespace=f"{kubectl.namespace}-{word}") for word in ("side", "quota", "law"))
    found = World(stores=kubectl, plain=side, quota=crowd, rights=law, rules=[])
    everywhere = (side, crowd, law)
    try:
        for each in everywhere:
            installation.make_namespace(each)
            each.apply(secret("credentials", **{"database-url": found.url()}))
        watched = ",".join(each.namespace for each in everywhere)
        installation.install_operator(side, values=(f"watchNamespaces={{{watched}}}", "aggregatedRoles=false"))
        yield replace(found, rules=(law.get("role", "analytics-operator") or {})["rules"])
    finally:
        unpoliced(found)
        kubectl("delete", "namespace", *(each.namespace for each in everywhere), "--ignore-not-found", "--wait=false")


@dataclass(frozen=True, kw_only=True)
class Before:
    """What shall be as it was."""

    others: tuple[tuple[Kubectl, Quiet], ...]
    operator: dict[str, int]


def restarts(world: World) -> dict[str, int]:
    """Of each pod of the operator, by its UID."""
    pods = world.plain.list("pods", selector="app.kubernetes.io/name=analytics-operator")
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


@pytest.fixture(scope="module")
def before(world: World) -> Before:
    for kubectl in (world.plain, world.quota):
        world.declare(kubectl, "other")
    world.declare(world.plain, "policed", replicas=0)
    world.declare(world.quota, "crowded", replicas=0)
    for kubectl, name in ((world.plain, "policed"), (world.quota, "crowded")):
        wait_ready(kubectl, name)
    others = []
    for kubectl in (world.plain, world.quota):
        wait_ready(kubectl, "other")
        others.append((kubectl, Quiet.seen(kubectl, "other")))
    return Before(others=tuple(others), operator=restarts(world))


@pytest.fixture(scope="module")
def stood(world: World, before: Before) -> dict[str, float]:
    """Since when each obstacle stands."""
    limit(world, "0")
    since = {}
    for obstacle in OBSTACLES:
        obstacle.stand(world)
        since[obstacle.name] = time.monotonic()
    return since


@pytest.fixture(scope="module")
def cured(world: World, stood: dict[str, float]) -> dict[str, tuple[float, datetime]]:
    """When each obstacle was removed."""
    time.sleep(max(max(stood.values()) + STANDING - time.monotonic(), 0))
    moments = {}
    for obstacle in OBSTACLES:
        moments[obstacle.name] = (time.monotonic(), datetime.now(UTC))
        obstacle.cure(world)
    return moments


@each_obstacle
def test_an_obstacle_is_named_within_a_minute(world: World, stood: dict[str, float], obstacle: Obstacle) -> None:
    def named() -> bool:
        found = condition(obstacle.where(world).get(KIND, obstacle.name), obstacle.condition)
        return (found["status"], found["reason"]) == ("False", obstacle.reason)

    left = stood[obstacle.name] + SOON - time.monotonic()
    eventually(named, seconds=left, what=f"{obstacle.condition} of {obstacle.name} is {obstacle.reason}")


def test_a_cure_is_seen_within_a_minute_without_a_restart(
    world: World, before: Before, cured: dict[str, tuple[float, datetime]]
) -> None:
    late = {}
    for obstacle in OBSTACLES:
        since, moment = cured[obstacle.name]
        kubectl = obstacle.where(world)
        try:
            wait_ready(kubectl, obstacle.name, seconds=since + SOON - time.monotonic())
        except AssertionError:
            late[obstacle.name] = (kubectl.get(KIND, obstacle.name) or {})["status"]["conditions"]
        else:
            ready = condition(kubectl.get(KIND, obstacle.name), "Ready")["lastTransitionTime"]
            print(f"{obstacle.name} is Ready after {(datetime.fromisoformat(ready) - moment).total_seconds():.0f} s")
    assert late == {}
    assert restarts(world) == before.operator


def test_the_healthy_neighbours_were_not_touched(before: Before, cured: dict[str, tuple[float, datetime]]) -> None:
    for kubectl, other in before.others:
        assert versions(kubectl, other.name) == other.versions, kubectl.namespace
