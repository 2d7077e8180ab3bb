"""What may be in the way of a resource: each blocker with how it is set up, what names it, and its cure."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from e2e.installation import KIND, PASSWORD, TAG, analyticsapi, secret, sql
from e2e.kubectl import Kubectl, KubectlError, eventually

SECONDS_FOR_RULES = 60
"""Until a quota or a policy is in force."""
SMALL = {"requests": {"cpu": "10m", "memory": "96Mi"}}
INSTANCE = "app.kubernetes.io/instance"


@dataclass(frozen=True, kw_only=True)
class World:
    """Where the blockers stand: by themselves, under the quota, and without a right. The stores are elsewhere."""

    stores: Kubectl
    plain: Kubectl
    quota: Kubectl
    rights: Kubectl
    rules: list[dict[str, Any]]
    """Of the operator's Role, as the chart gives it."""

    @property
    def sides(self) -> tuple[Kubectl, Kubectl, Kubectl]:
        return self.plain, self.quota, self.rights

    @property
    def policy(self) -> str:
        return f"{self.plain.namespace}-policed"

    def url(self, *, host: str = "", database: str = "llm_observatory") -> str:
        return f"postgres://llm_user:{PASSWORD}@{host or f'postgres.{self.stores.namespace}'}:5432/{database}"

    def sql(self, database: str, text: str) -> None:
        sql(self.stores, database, text)

    def declare(self, kubectl: Kubectl, name: str, *, credentials: str = "credentials", **spec: Any) -> None:
        database = {"urlSecretRef": {"name": credentials, "key": "database-url"}, "poolSize": 2, "minConnections": 1}
        manifest = analyticsapi(kubectl, name, **{"replicas": 1, "resources": SMALL, "database": database} | spec)
        del manifest["spec"]["redis"]
        kubectl.apply(manifest)


def world_beside(stores: Kubectl) -> World:
    """By its names only: nothing of it is made."""
    side, crowd, law = (replace(stores, namespace=f"{stores.namespace}-{word}") for word in ("side", "quota", "law"))
    return World(stores=stores, plain=side, quota=crowd, rights=law, rules=[])


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
        seconds=SECONDS_FOR_RULES,
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

    eventually(refused, seconds=SECONDS_FOR_RULES, what="the policy is in force")
    world.plain.patch(KIND, "policed", {"spec": {"replicas": 1}})


def unpoliced(world: World) -> None:
    kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    world.plain("delete", kinds, world.policy, "--ignore-not-found")


def remove(world: World, *, wait: bool) -> None:
    """The namespaces and the policy; they may be those of a run that was killed."""
    unpoliced(world)
    names = [each.namespace for each in world.sides]
    world.stores("delete", "namespace", *names, "--ignore-not-found", f"--wait={str(wait).lower()}", seconds=180)


@dataclass(frozen=True)
class Blocker:
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


BLOCKERS = (
    Blocker("no-secret", plain, "SecretsReady", "SecretMissing", no_secret, with_secret),
    Blocker("wrong-key", plain, "SecretsReady", "KeyMissing", wrong_key, right_key),
    Blocker("unreachable", plain, "Migrated", "DatabaseUnreachable", unreachable, reachable),
    Blocker("newer", plain, "Migrated", "DatabaseNewer", newer, as_new),
    Blocker("no-image", plain, "Ready", "ImagePullFailed", no_image, right_image),
    Blocker("crowded", quota, "Ready", "QuotaExceeded", crowded, room),
    Blocker("unmigrated", quota, "Migrated", "PodNotCreated", unmigrated, room),
    Blocker("forbidden", rights, "Ready", "Forbidden", forbidden, allowed),
    Blocker("policed", plain, "Ready", "AdmissionRefused", policed, unpoliced),
)
