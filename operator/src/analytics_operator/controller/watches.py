"""The table of triggers: every event of a resource or of a child puts the resource's key into the queue, no more.

kopf is the informer. A handler here never reads what changed: events may be lost or repeated.
"""

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import kopf
from typing_extensions import override

from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.controller.workqueue import WorkQueue
from analytics_operator.kube import config, labels
from analytics_operator.kube.objects import (
    ANALYTICS_API,
    HORIZONTAL_POD_AUTOSCALER,
    WATCHED,
    Key,
    Kind,
    Manifest,
    Ref,
    controller,
)
from analytics_operator.state import digests

Heard = Callable[[str, Manifest], None]
"""Told the kind and the object of every event."""

News = Callable[[Key, Ref, Manifest], bool]
"""Whether the object is not as our own last write left it."""


class _Backoffs:
    """Seconds before each attempt after a failed one. Without an end: a watch that gives up would end the process."""

    def __iter__(self) -> Iterator[float]:
        return chain((1, 2, 4, 8), repeat(15))


class _NoDiffs(kopf.DiffBaseStorage):
    """No handler asks what changed: copying every object for that was a tenth of a start's CPU."""

    @override
    def build(self, **_: Any) -> Any:
        return {}

    @override
    def fetch(self, **_: Any) -> None:
        return None

    @override
    def store(self, **_: Any) -> None:
        pass


def register(queue: WorkQueue, *, heard: Heard, news: News, answered: config.Answered) -> kopf.OperatorRegistry:
    """All that the operator reacts to."""
    registry = kopf.OperatorRegistry()

    async def login(**context: Any) -> Any:
        return await config.login(answered, queue.add_all, **context)

    kopf.on.login(registry=registry)(login)
    _on_event(ANALYTICS_API, _resource_changed(queue, heard, news), registry)
    for kind in WATCHED:
        _on_event(kind, _child_changed(queue, kind, heard, news), registry)
    return registry


def settings() -> kopf.OperatorSettings:
    """Settings of kopf as an informer only: it writes nothing, and watches of children see ours alone."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.persistence.diffbase_storage = _NoDiffs()
    found.scanning.disabled = True
    found.watching.inactivity_timeout = 70
    found.watching.server_timeout = 300
    found.watching.connect_timeout = 10
    found.watching.chunk_size = 200  # whole lists of thousands would stay in memory for the life of the process
    found.networking.request_timeout = 30
    found.networking.error_backoffs = _Backoffs()
    found.peering.standalone = True
    found.queueing.worker_limit = None  # a limit keeps each slot for seconds after its event
    found.queueing.idle_timeout = 0.2  # each object has a worker while it is busy: after a start that is all of them
    found.queueing.exit_timeout = 0.2  # handlers only fill a queue: at the end there is nothing to wait for
    for kind in WATCHED:
        found.watching.label_selectors[kind.group, kind.version, kind.plural] = labels.OURS
    return found


def _on_event(kind: Kind, handler: Callable[..., Any], registry: kopf.OperatorRegistry) -> None:
    kopf.on.event(kind.group, kind.version, kind.plural, id=f"{kind.plural}-changed", registry=registry)(handler)


def _resource_changed(queue: WorkQueue, heard: Heard, news: News) -> Callable[..., Any]:
    async def resource_changed(*, event: Any, **_: Any) -> None:
        heard(KIND, event["object"])
        metadata = event["object"]["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        deleted = event["type"] == "DELETED" or "deletionTimestamp" in metadata
        if deleted or _tells(event, key, Ref(ANALYTICS_API, key.name), news):
            await queue.add(key, generation=metadata["generation"], first=deleted)

    return resource_changed


def _tells(event: Any, key: Key, ref: Ref, news: News) -> bool:
    """A list and the end of an object always do."""
    return event["type"] not in {"ADDED", "MODIFIED"} or news(key, ref, event["object"])


class _Repeats:
    """Tells events of autoscalers that say nothing new: each writes fresh metrics into its status every 15 seconds."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def one(self, event: Any) -> bool:
        metadata, status = event["object"]["metadata"], event["object"].get("status", {})
        if event["type"] == "DELETED":
            self._last.pop(metadata["uid"], None)
            return False
        owned = {name: metadata.get(name) for name in ("labels", "annotations", "ownerReferences", "deletionTimestamp")}
        verdicts = [(each["type"], each["status"], each["reason"]) for each in status.get("conditions") or ()]
        now = digests.of([owned, event["object"].get("spec"), verdicts])
        before, self._last[metadata["uid"]] = self._last.get(metadata["uid"]), now
        return event["type"] is not None and now == before  # a relist is a resync


def _child_changed(queue: WorkQueue, kind: Kind, heard: Heard, news: News) -> Callable[..., Any]:
    repeats = _Repeats()

    async def child_changed(*, event: Any, **_: Any) -> None:
        heard(kind.name, event["object"])
        if kind is HORIZONTAL_POD_AUTOSCALER and repeats.one(event):
            return
        metadata = event["object"]["metadata"]
        for key in {Key(metadata["namespace"], name) for name in _instances(event["object"])}:
            if _tells(event, key, Ref(kind, metadata["name"]), news):
                await queue.add(key)

    return child_changed


def _instances(child: Manifest) -> Iterator[str]:
    """Names of resources that the object belongs to, or did before somebody took its owner or its label away."""
    owner, owned = controller(child), child["metadata"].get("labels", {})
    if owner and owner["kind"] == KIND:
        yield owner["name"]
    if labels.INSTANCE in owned:
        yield owned[labels.INSTANCE]
