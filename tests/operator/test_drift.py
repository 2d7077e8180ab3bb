"""Children that somebody deletes or edits are as declared again within seconds, on a real API server.

What others own and the operator does not want is left to them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from analytics_operator.kube import labels, names
from analytics_operator.state.image import Setting
from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import Operator
from tests.support.kube import KubeApi, Object, eventually

pytestmark = pytest.mark.kube

SECONDS = 10
REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
LABEL = {"metadata": {"labels": {labels.COMPONENT: "edited"}}}
THEIRS: Object = {"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "ours to keep"}}}


@dataclass(frozen=True, kw_only=True)
class Child:
    kind: str
    edit: Object
    """Fields of ours with values that we do not want."""
    foreign: Object = field(default_factory=dict)
    """Fields that we do not want, and leave to whoever sets them."""
    resource: str = "demo"
    name: str | None = None
    """As the resource, where none is given."""

    def of(self, api: KubeApi) -> str:
        if self.name == "settings":
            found = {each["metadata"]["name"] for each in api.list("ConfigMap", labels.children_of(self.resource))}
            (settings,) = found - {names.released(self.resource), names.dashboard(self.resource)}
            return str(settings)
        return self.name or self.resource


CHILDREN = {
    "account": Child(
        kind="ServiceAccount",
        edit={"automountServiceAccountToken": True},
        foreign={"imagePullSecrets": [{"name": "theirs"}]},
    ),
    "settings": Child(kind="ConfigMap", name="settings", edit=LABEL),  # immutable but for its metadata
    "released": Child(
        kind="ConfigMap",
        name=names.released("demo"),
        edit={"data": {"migration-hash": "edited"}},
        foreign={"data": {"theirs": "stays"}},
    ),
    "deployment": Child(
        kind="Deployment",
        edit={"spec": {"replicas": 7, "template": {"spec": {"terminationGracePeriodSeconds": 30}}}},
        foreign={"spec": {"minReadySeconds": 3}},
    ),
    "service": Child(
        kind="Service",
        edit={"spec": {"selector": {labels.INSTANCE: "edited"}}},
        foreign={"spec": {"sessionAffinity": "ClientIP"}},
    ),
    "service of the workers": Child(
        kind="Service",
        name=names.worker("demo"),
        edit={"spec": {"selector": {labels.COMPONENT: "edited"}}},
        foreign={"spec": {"sessionAffinity": "ClientIP"}},
    ),
    "pods that only take rows": Child(
        kind="Deployment",
        resource="taking",
        name=names.ingest("taking"),
        edit={"spec": {"replicas": 7, "template": {"spec": {"terminationGracePeriodSeconds": 30}}}},
        foreign={"spec": {"minReadySeconds": 3}},
    ),
    "service of those that take rows": Child(
        kind="Service",
        resource="taking",
        name=names.ingest("taking"),
        edit={"spec": {"selector": {labels.COMPONENT: "edited"}}},
        foreign={"spec": {"sessionAffinity": "ClientIP"}},
    ),
    "budget of those that take rows": Child(
        kind="PodDisruptionBudget", resource="taking", name=names.ingest("taking"), edit={"spec": {"maxUnavailable": 2}}
    ),
    "budget": Child(kind="PodDisruptionBudget", edit={"spec": {"maxUnavailable": 2}}),
    "ingress": Child(
        kind="Ingress",
        edit={"metadata": {"annotations": {"team.example/ours": "edited"}}},
        foreign={"metadata": {"annotations": {"team.example/theirs": "stays"}}},
    ),
    "network policy": Child(kind="NetworkPolicy", edit={"spec": {"policyTypes": ["Ingress"]}}),
    "network policy of the workers": Child(
        kind="NetworkPolicy", name=names.worker("demo"), edit={"spec": {"policyTypes": ["Ingress"]}}
    ),
    "dashboard": Child(
        kind="ConfigMap", name=names.dashboard("demo"), edit=LABEL, foreign={"data": {"theirs": "stays"}}
    ),
    "autoscaler": Child(
        kind="HorizontalPodAutoscaler",
        resource="scaled",
        edit={"spec": {"maxReplicas": 9}},
        foreign={"spec": {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 7}}}},
    ),
}
SECTIONS: Object = {
    "ingress": {"host": "a.example", "annotations": {"team.example/ours": "declared"}},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {}}],
        "database": {"to": [{"podSelector": {}}]},
        "redis": {"to": [{"podSelector": {}}]},
    },
    "monitoring": {"dashboard": {}},
}
EACH = pytest.mark.parametrize("child", CHILDREN.values(), ids=CHILDREN)


@pytest.fixture(scope="module")
def drifting(cluster: KubeApi, operator: Operator) -> Iterator[KubeApi]:
    """Three Ready resources; every test leaves them as declared."""
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drift"}})
    world = ClusterActor(replace(cluster, namespace="drift"), operator.port)
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready("demo", replicas=2, redis=REDIS, **SECTIONS)
    world.ready("scaled", replicas=2, redis=REDIS, autoscaling={"minReplicas": 2, "maxReplicas": 4})
    world.declare("taking", redis=REDIS, ingest={"replicas": 2})
    world.migrate("taking", settings=[Setting.INGEST.value])
    world.settle("taking")
    yield world.api
    for name in ("demo", "scaled", "taking"):
        world.api.delete("AnalyticsApi", name)


def part(live: Object, shape: Object) -> Object:
    """The fields of the object that the other has."""
    return {
        key: part(live.get(key, {}), below) if isinstance(below, dict) else live.get(key)
        for key, below in shape.items()
    }


def merged(api: KubeApi, child: Child, name: str, change: Object, manager: str) -> Object:
    del manager  # of updates: the client's name
    return api.merge(child.kind, name, change)


def applied(api: KubeApi, child: Child, name: str, change: Object, manager: str) -> Object:
    api_version = api.get(child.kind, name)["apiVersion"]
    metadata = {"name": name} | change.get("metadata", {})
    manifest = {"apiVersion": api_version, "kind": child.kind} | change | {"metadata": metadata}
    return api.apply(manifest, manager=manager)


Edit = Callable[[KubeApi, Child, str, Object, str], Object]


@EACH
def test_a_deleted_child_comes_back(drifting: KubeApi, child: Child) -> None:
    name = child.of(drifting)
    before = drifting.get(child.kind, name)
    drifting.delete(child.kind, name)

    def look() -> Object | None:
        found = drifting.get(child.kind, name)
        return found if found["metadata"]["uid"] != before["metadata"]["uid"] else None

    back = eventually(look, what=f"a new {child.kind}", seconds=SECONDS)
    assert part(back, child.edit) == part(before, child.edit)
    assert back["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]


@EACH
@pytest.mark.parametrize("edit", [merged, applied], ids=["by a patch", "by an apply with force"])
def test_an_edited_child_is_put_right_and_what_others_set_stays(drifting: KubeApi, child: Child, edit: Edit) -> None:
    name = child.of(drifting)
    before = drifting.get(child.kind, name)
    for theirs, manager in ((child.foreign, "one"), (THEIRS, "two")):
        edit(drifting, child, name, theirs, manager)
    edited = edit(drifting, child, name, child.edit, "three")
    assert part(edited, child.edit) == child.edit

    def look() -> Object | None:
        found = drifting.get(child.kind, name)
        return found if part(found, child.edit) == part(before, child.edit) else None

    healed = eventually(look, what=f"the {child.kind} as declared", seconds=SECONDS)
    assert part(healed, child.foreign) == child.foreign
    assert part(healed, THEIRS) == THEIRS


@EACH
def test_a_child_that_leaves_our_watch_is_brought_back(drifting: KubeApi, child: Child) -> None:
    """Without our label the watch does not see it any more: its last event is that it went."""
    name = child.of(drifting)
    relabelled = {"metadata": {"labels": {labels.MANAGED_BY: "somebody", labels.INSTANCE: "else"}}}
    drifting.merge(child.kind, name, relabelled)
    wanted = {"metadata": {"labels": {labels.MANAGED_BY: labels.FIELD_MANAGER, labels.INSTANCE: child.resource}}}
    eventually(lambda: part(drifting.get(child.kind, name), wanted) == wanted, what="our labels", seconds=SECONDS)


@EACH
def test_a_child_whose_owner_was_taken_away_gets_it_back(drifting: KubeApi, child: Child) -> None:
    name = child.of(drifting)
    owners = drifting.get(child.kind, name)["metadata"]["ownerReferences"]
    drifting.merge(child.kind, name, {"metadata": {"ownerReferences": []}})

    def look() -> bool:
        return bool(drifting.get(child.kind, name)["metadata"].get("ownerReferences") == owners)

    eventually(look, what="its owner", seconds=SECONDS)


def test_a_deleted_generated_secret_comes_back(drifting: KubeApi) -> None:
    """The last one: new random bytes ask the database again, and no kubelet plays here."""
    before = drifting.get("Secret", "demo-jwt")
    drifting.delete("Secret", "demo-jwt")
    back = eventually(lambda: drifting.find("Secret", "demo-jwt"), what="a new Secret", seconds=SECONDS)
    assert back["metadata"]["uid"] != before["metadata"]["uid"]
    assert back["data"] != before["data"]
