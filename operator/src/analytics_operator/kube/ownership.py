"""Ownership: makes a child as it is desired without ever touching somebody else's object.

First contact reads before it writes: adoption.py says what is ours then, what an earlier resource of the same name left
behind is awaited, anything else is a ChildConflict. Afterwards every apply carries the object's UID, so that it fails
instead of taking over whatever came under that name.
"""

import time
from collections.abc import Callable
from typing import Protocol

from analytics_operator.errors import Conflict, Invalid, NotFound
from analytics_operator.kube import labels
from analytics_operator.kube.adoption import adoptable, check_ours
from analytics_operator.kube.drift import Drift
from analytics_operator.kube.objects import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    Key,
    Kind,
    Manifest,
    Ref,
    Want,
    controlled_by,
    controller,
)

ABSENT_SECONDS = 600.0
"""Time that an absent object is taken to stay absent while no event tells of it: no longer than a resync."""

WRITTEN_BY_OTHERS = frozenset({DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER})
"""The answer to an apply that changed nothing may be the first sight of what a controller wrote."""

OnWrite = Callable[[str, Manifest], None]
"""Called with the kind and the answer of every write that may have changed something."""


class Writer(Protocol):
    """The part of client.KubeClient that is needed here."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest: ...
    async def create(self, kind: Kind, manifest: Manifest) -> Manifest: ...
    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool, dry_run: bool = False) -> Manifest: ...
    async def delete(self, kind: Kind, manifest: Manifest) -> None: ...


class Ownership:
    """Remembers each child as it was last written, so that a second apply is one call and its event needs nothing."""

    def __init__(
        self,
        client: Writer,
        *,
        on_unchanged: Callable[[], None],
        on_write: OnWrite,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.drift = Drift(clock=clock)
        self._client = client
        self._on_unchanged = on_unchanged
        self._on_write = on_write
        self._clock = clock
        self._known: dict[Key, dict[Ref, tuple[str, str]]] = {}
        """UID and resourceVersion."""
        self._absent: dict[Key, dict[Ref, float]] = {}
        """Until when nothing is asked for, by the monotonic clock."""

    def needs_reconcile(self, key: Key, ref: Ref, manifest: Manifest) -> bool:
        """Event predicate: False where the object is as the answer to our last write said.

        An answer to an apply that changed nothing may already hold the status that another controller has just written.
        The plan was made before it, so that of these kinds every event counts.
        """
        self._absent.get(key, {}).pop(ref, None)
        self.drift.observe(key, ref, manifest)
        return ref.kind in WRITTEN_BY_OTHERS or self._known.get(key, {}).get(ref) != _identity(manifest)

    def remember(self, key: Key, ref: Ref, live: Manifest) -> None:
        """The answer to a write."""
        self._known.setdefault(key, {})[ref] = _identity(live)
        self._absent.get(key, {}).pop(ref, None)

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)
        self._absent.pop(key, None)
        self.drift.forget(key)

    async def ensure(self, key: Key, owner: str, want: Want) -> Manifest:
        """The live object, as it is desired."""
        if want.ref.kind is JOB:
            return await self._create(key, owner, want)
        known = self._known.get(key, {}).get(want.ref)
        if known:  # the common case of one call: nothing has to be read to know that the object is ours
            live = await self._again(key, owner, want, uid=known[0])
        else:
            live = await self._first_contact(key, owner, want)
        if _identity(live) == known:
            self._on_unchanged()
        else:
            self._on_write(want.ref.kind.name, live)
            self.drift.written(key, want.ref, live)
        self.remember(key, want.ref, live)
        return live

    async def retire(self, key: Key, owner: str, ref: Ref) -> None:
        """Deletes the object if it is ours; one that was seen to be absent is not asked for again."""
        absent = self._absent.setdefault(key, {})
        if absent.get(ref, 0.0) > self._clock():
            return
        try:
            live = await self._client.get(ref.kind, key.namespace, ref.name)
            if controlled_by(owner, live) and "deletionTimestamp" not in live["metadata"]:
                await self._client.delete(ref.kind, live)
        except NotFound:
            absent[ref] = self._clock() + ABSENT_SECONDS
        self._known.get(key, {}).pop(ref, None)

    async def _again(self, key: Key, owner: str, want: Want, *, uid: str) -> Manifest:
        try:
            return await self._apply(want, uid=uid)
        except (Conflict, NotFound):  # deleted, or replaced under the same name
            return await self._first_contact(key, owner, want)
        except Invalid:
            live = await self._client.get(want.ref.kind, key.namespace, want.ref.name)
            if controller(live):
                check_ours(live, key, owner, want.ref)  # an object has one controller only
            raise

    async def _create(self, key: Key, owner: str, want: Want) -> Manifest:
        try:
            live = await self._client.create(want.ref.kind, want.manifest)
        except Conflict:
            live = await self._client.get(want.ref.kind, key.namespace, want.ref.name)
            check_ours(live, key, owner, want.ref)
        else:
            self._on_write(want.ref.kind.name, live)
            self.remember(key, want.ref, live)
        return live

    async def _first_contact(self, key: Key, owner: str, want: Want) -> Manifest:
        try:
            live = await self._client.get(want.ref.kind, key.namespace, want.ref.name)
        except NotFound:
            if want.ref in self._known.get(key, {}):
                self.drift.recreated(key, want.ref)
            # Not POST: its fields would belong to a manager of updates, and no later apply could remove them.
            return await self._client.apply(want.ref.kind, want.manifest, force=False)
        if not adoptable(live, want.manifest["metadata"]["labels"]):
            check_ours(live, key, owner, want.ref)
        return await self._apply(want, uid=live["metadata"]["uid"])

    async def check_free(self, key: Key, owner: str, ref: Ref, component: labels.Component) -> None:
        """Raises where the name of a child that is not made yet is taken by somebody else."""
        try:
            live = await self._client.get(ref.kind, key.namespace, ref.name)
        except NotFound:
            return
        if not adoptable(live, labels.common(key.name, component)):
            check_ours(live, key, owner, ref)

    async def would_change(self, key: Key, owner: str, want: Want) -> bool:
        """Whether `ensure` would change something; nothing is changed. Raises what it would raise."""
        try:
            live = await self._client.get(want.ref.kind, key.namespace, want.ref.name)
        except NotFound:
            return True
        if want.ref.kind is JOB or not adoptable(live, want.manifest["metadata"]["labels"]):
            check_ours(live, key, owner, want.ref)
        if want.ref.kind is JOB:
            return False
        return _content(await self._apply(want, uid=live["metadata"]["uid"], dry_run=True)) != _content(live)

    async def would_retire(self, key: Key, owner: str, ref: Ref) -> bool:
        """Whether `retire` would delete something."""
        try:
            return controlled_by(owner, await self._client.get(ref.kind, key.namespace, ref.name))
        except NotFound:
            return False

    async def _apply(self, want: Want, *, uid: str, dry_run: bool = False) -> Manifest:
        # The API server compares the UID: of an object that was deleted and recreated by somebody else in between, the
        # apply answers 409 instead of taking its fields over.
        metadata = want.manifest["metadata"] | {"uid": uid}
        manifest = want.manifest | {"metadata": metadata}
        return await self._client.apply(want.ref.kind, manifest, force=True, dry_run=dry_run)


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["uid"], manifest["metadata"]["resourceVersion"]


def _content(manifest: Manifest) -> Manifest:
    """Without what the API server notes of a write."""
    noted = ("managedFields", "resourceVersion", "generation")
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in noted}
    return manifest | {"metadata": metadata}
