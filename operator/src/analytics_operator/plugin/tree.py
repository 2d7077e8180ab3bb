"""The tree of a resource: each object under the one that controls it, with its health. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analytics_operator.kube.objects import POD, REPLICA_SET, SECRET, Manifest
from analytics_operator.plugin import health
from analytics_operator.plugin.health import Health, State
from analytics_operator.plugin.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Node:
    kind: str
    name: str
    health: Health
    children: tuple["Node", ...] = ()

    def rows(self, indent: str = "", branch: str = "") -> Iterator[tuple[str, str, str, str]]:
        """Name with its branches, health, reason, message."""
        yield f"{branch}{self.kind}/{self.name}", self.health.state, self.health.reason, self.health.message
        for child in self.children:
            last = child is self.children[-1]
            yield from child.rows(indent + ("   " if last else "│  "), indent + ("└─ " if last else "├─ "))

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "health": self.health.state,
            "reason": self.health.reason,
            "message": self.health.message,
            "children": [child.as_dict() for child in self.children],
        }


def tree(snapshot: Snapshot) -> Node:
    """The resource on top; below it also the Secrets that its pods read, and pods without a known controller."""
    known = {each["metadata"]["uid"] for each in (snapshot.resource, *snapshot.children)}
    orphans = [pod for pod in snapshot.pods if not known & _controllers(pod)]
    secrets = [_secret(name, exists) for name, exists in snapshot.secrets.items()]
    top = _node(snapshot, snapshot.resource)
    return Node(
        kind=top.kind,
        name=top.name,
        health=top.health,
        children=(*top.children, *(_node(snapshot, pod) for pod in orphans), *secrets),
    )


def _controllers(manifest: Manifest) -> set[str]:
    return {owner["uid"] for owner in manifest["metadata"].get("ownerReferences", []) if owner.get("controller")}


def _node(snapshot: Snapshot, manifest: Manifest) -> Node:
    below = tuple(_node(snapshot, each) for each in snapshot.controlled_by(manifest["metadata"]["uid"]))
    pods = [each for each in snapshot.pods if _is_below(snapshot, each, manifest["metadata"]["uid"])]
    return Node(
        kind=manifest["kind"],
        name=manifest["metadata"]["name"],
        health=health.of(manifest, pods),
        children=tuple(each for each in below if each.kind != REPLICA_SET.name or each.children),
    )


def _is_below(snapshot: Snapshot, pod: Manifest, uid: str) -> bool:
    """A pod of a Deployment is controlled by one of its ReplicaSets."""
    owners = _controllers(pod)
    return uid in owners or any(
        each["metadata"]["uid"] in owners and uid in _controllers(each)
        for each in snapshot.children
        if each["kind"] != POD.name
    )


def _secret(name: str, exists: bool | None) -> Node:  # noqa: FBT001 - an observation, not a switch
    if exists is None:
        state = Health(State.UNKNOWN, "Forbidden", "you may not read it")
    elif exists:
        state = Health(State.HEALTHY, "Present")
    else:
        state = Health(State.MISSING, "SecretMissing", "the pods read it, and it does not exist")
    return Node(kind=SECRET.name, name=name, health=state)
