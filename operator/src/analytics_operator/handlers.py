"""The table of triggers: every event of a resource or of a child puts the resource's key into the queue, no more.

kopf is the informer. A handler here never reads what changed: events may be lost or repeated.
"""

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import kopf

from analytics_operator import connection, digests, names
from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.objects import (
    ANALYTICS_API,
    HORIZONTAL_POD_AUTOSCALER,
    WATCHED,
    Key,
    Kind,
    Manifest,
    controller,
)
from analytics_operator.workqueue import WorkQueue

Heard = Callable[[str, Manifest], None]
"""Told the kind and the object of every event."""


class _Backoffs:
    """Seconds before each attempt after a failed one. Without an end: a watch that gives up would end the process."""

    def __iter__(self) -> Iterator[float]:
        return chain((1, 2, 4, 8), repeat(15))


def register(queue: WorkQueue, *, heard: Heard, answered: connection.Answered) -> kopf.OperatorRegistry:
    """All that the operator reacts to."""
    registry = kopf.OperatorRegistry()

    async def login(**context: Any) -> Any:
        return await connection.login(answered, **context)

    kopf.on.login(registry=registry)(login)
    _on_event(ANALYTICS_API, _resource_changed(queue, heard), registry)
    for kind in WATCHED:
        _on_event(kind, _child_changed(queue, kind, heard), registry)
    return registry


def settings() -> kopf.OperatorSettings:
    """Settings of kopf as an informer only: it writes nothing, and watches of children see ours alone."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
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
        found.watching.label_selectors[kind.group, kind.version, kind.plural] = names.OURS
    return found


def _on_event(kind: Kind, handler: Callable[..., Any], registry: kopf.OperatorRegistry) -> None:
    kopf.on.event(kind.group, kind.version, kind.plural, id=f"{kind.plural}-changed", registry=registry)(handler)


def _resource_changed(queue: WorkQueue, heard: Heard) -> Callable[..., Any]:
    async def resource_changed(*, event: Any, **_: Any) -> None:
        heard(KIND, event["object"])
        metadata = event["object"]["metadata"]
        deleted = event["type"] == "DELETED" or "deletionTimestamp" in metadata
        await queue.add(Key(metadata["namespace"], metadata["name"]), generation=metadata["generation"], first=deleted)

    return resource_changed


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


def _child_changed(queue: WorkQueue, kind: Kind, heard: Heard) -> Callable[..., Any]:
    repeats = _Repeats()

    async def child_changed(*, event: Any, **_: Any) -> None:
        heard(kind.name, event["object"])
        if kind is HORIZONTAL_POD_AUTOSCALER and repeats.one(event):
            return
        metadata = event["object"]["metadata"]
        owner = controller(event["object"])
        if owner and owner["kind"] == KIND:
            await queue.add(Key(metadata["namespace"], owner["name"]))

    return child_changed
