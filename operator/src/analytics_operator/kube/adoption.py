"""Whose an object is that has the name of a child: ours, ours to adopt, of an earlier resource, or somebody else's.

An object without a controller is left by a resource that was deleted with its children orphaned, or was restored from a
backup. It is adopted by its labels, but for what would be believed: a finished Job opens the migration gate, and
whoever plants the generated Secret signs tokens.
"""

from collections.abc import Mapping

from analytics_operator.api.v1alpha1 import KIND, Metadata
from analytics_operator.errors import ChildConflict, Conflict, SecretUnconfirmed
from analytics_operator.kube import labels
from analytics_operator.kube.objects import Key, Manifest, Ref, controller

_IDENTITY = (labels.MANAGED_BY, labels.INSTANCE, labels.COMPONENT)


def adoptable(live: Manifest, expected: Mapping[str, str]) -> bool:
    """Whether the object has the labels of the child `expected`, and nobody controls it."""
    found = live["metadata"].get("labels", {})
    return controller(live) is None and all(found.get(name) == expected.get(name) for name in _IDENTITY)


def check_ours(live: Manifest, key: Key, owner: str, ref: Ref) -> None:
    """Raises unless the resource controls the object."""
    found = controller(live)
    if found is None:
        raise ChildConflict(f"{ref.text} exists and is not ours: delete or rename it, or rename this resource")
    if found["uid"] == owner:
        return
    if found["kind"] == KIND and found["name"] == key.name:
        raise Conflict(f"{ref.text} still belongs to an earlier {key.name}: waiting for garbage collection")
    raise ChildConflict(
        f"{ref.text} belongs to {found['kind']} {found['name']}: delete or rename it, or rename this resource"
    )


def check_generated_secret(live: Manifest, key: Key, resource: Metadata, ref: Ref) -> None:
    """Raises unless the resource controls the Secret, or it was generated for it and somebody has confirmed that.

    The confirmation names its UID: it is of this very Secret, not of one that comes later under its name.
    """
    if controller(live) is not None:
        check_ours(live, key, resource.uid, ref)
        return
    uid, name = live["metadata"]["uid"], live["metadata"]["name"]
    generated_for = live["metadata"].get("annotations", {}).get(labels.GENERATED_FOR)
    if generated_for == key.text and resource.annotations.get(labels.ADOPT_SECRET) == uid:
        return
    confirm = f"kubectl -n {key.namespace} annotate --overwrite aapi {key.name} {labels.ADOPT_SECRET}={uid}"
    if generated_for != key.text:
        confirm = f"kubectl -n {key.namespace} annotate secret {name} {labels.GENERATED_FOR}={key.text} && {confirm}"
    raise SecretUnconfirmed(
        f"{ref.text} has no controller, and whoever made it can sign tokens. If an earlier {key.name} did: `{confirm}`;"
        " else delete it: a new one is generated, and tokens signed with this one end"
    )
