"""Makes a child as it is wanted without ever touching somebody else's object.

First contact reads before it writes: what has no controller and our labels is adopted, what an earlier resource of the
same name left behind is awaited, anything else is a ChildConflict. Afterwards every apply carries the object's UID, so
that it fails instead of taking over whatever came under that name.
"""

from collections.abc import Callable
from typing import Protocol

from analytics_operator import names
from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.errors import ChildConflict, Conflict, NotFound
from analytics_operator.objects import JOB, Key, Kind, Manifest, Ref, Want, controller
from analytics_operator.observed import controlled_by

Wrote = Callable[[str, Manifest], None]
"""Told the kind and the answer of every apply that may have changed something."""


class Api(Protocol):
    """What is needed of cluster.Cluster."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest: ...
    async def create(self, kind: Kind, manifest: Manifest) -> Manifest: ...
    async def apply(
        self, kind: Kind, manifest: Manifest, *, force: bool, subresource: str | None = None
    ) -> Manifest: ...
    async def delete(self, kind: Kind, manifest: Manifest) -> None: ...


class Ownership:
    """Remembers the UIDs of children, so that a second apply is one call."""

    def __init__(self, api: Api, *, unchanged: Callable[[], None], wrote: Wrote) -> None:
        self._api = api
        self._unchanged = unchanged
        self._wrote = wrote
        self._known: dict[Key, dict[Ref, tuple[str, str]]] = {}

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)

    async def ensure(self, key: Key, owner: str, want: Want) -> Manifest:
        """The live object, as it is wanted."""
        if want.ref.kind is JOB:
            return await self._create(key, owner, want)
        uid, version = self._known.get(key, {}).get(want.ref, (None, None))
        try:
            live = await (self._apply(want, uid=uid) if uid else self._first_contact(key, owner, want))
        except (Conflict, NotFound):
            if uid is None:
                raise
            live = await self._first_contact(key, owner, want)  # deleted, or replaced under the same name
        if live["metadata"]["resourceVersion"] == version:
            self._unchanged()
        else:
            self._wrote(want.ref.kind.name, live)
        self._known.setdefault(key, {})[want.ref] = (live["metadata"]["uid"], live["metadata"]["resourceVersion"])
        return live

    async def retire(self, key: Key, owner: str, ref: Ref) -> None:
        """Deletes the object if it is ours."""
        try:
            live = await self._api.get(ref.kind, key.namespace, ref.name)
            if controlled_by(owner, live) and "deletionTimestamp" not in live["metadata"]:
                await self._api.delete(ref.kind, live)
        except NotFound:
            pass
        self._known.get(key, {}).pop(ref, None)

    async def _create(self, key: Key, owner: str, want: Want) -> Manifest:
        try:
            return await self._api.create(want.ref.kind, want.manifest)
        except Conflict:
            live = await self._api.get(want.ref.kind, key.namespace, want.ref.name)
            check_ours(live, key, owner, want.ref)
            return live

    async def _first_contact(self, key: Key, owner: str, want: Want) -> Manifest:
        try:
            live = await self._api.get(want.ref.kind, key.namespace, want.ref.name)
        except NotFound:
            # Not POST: its fields would belong to a manager of updates, and no later apply could remove them.
            return await self._api.apply(want.ref.kind, want.manifest, force=False)
        if not adoptable(live):
            check_ours(live, key, owner, want.ref)
        return await self._apply(want, uid=live["metadata"]["uid"])

    async def _apply(self, want: Want, *, uid: str) -> Manifest:
        metadata = want.manifest["metadata"] | {"uid": uid}
        return await self._api.apply(want.ref.kind, want.manifest | {"metadata": metadata}, force=True)


def adoptable(live: Manifest) -> bool:
    """Whether the object says that it is ours, and nobody controls it."""
    ours: bool = live["metadata"].get("labels", {}).get(names.MANAGED_BY) == names.FIELD_MANAGER
    return ours and controller(live) is None


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
