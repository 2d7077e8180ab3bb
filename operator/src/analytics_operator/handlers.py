"""The table of triggers: every event of a resource or of a child puts the resource's key into the queue, no more.

kopf is the informer. A handler here never reads what changed: events may be lost or repeated.
"""

from collections.abc import Callable
from typing import Any

import kopf

from analytics_operator import connection, names
from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.objects import ANALYTICS_API, WATCHED, Key, Kind, controller
from analytics_operator.workqueue import WorkQueue

Watched = Callable[[str], None]
"""Told the kind of every event."""


def register(queue: WorkQueue, *, watched: Watched) -> kopf.OperatorRegistry:
    """All that the operator reacts to."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(connection.login)
    _on_event(ANALYTICS_API, _resource_changed(queue, watched), registry)
    for kind in WATCHED:
        _on_event(kind, _child_changed(queue, kind, watched), registry)
    return registry


def settings() -> kopf.OperatorSettings:
    """Settings of kopf as an informer only: it writes nothing, and watches of children see ours alone."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.scanning.disabled = True
    found.watching.inactivity_timeout = 70
    found.watching.server_timeout = 300
    found.watching.connect_timeout = 10
    found.networking.request_timeout = 30
    found.peering.standalone = True
    found.queueing.worker_limit = None  # a limit keeps each slot for seconds after its event
    found.queueing.exit_timeout = 0.2  # handlers only fill a queue: at the end there is nothing to wait for
    for kind in WATCHED:
        found.watching.label_selectors[kind.group, kind.version, kind.plural] = names.OURS
    return found


def _on_event(kind: Kind, handler: Callable[..., Any], registry: kopf.OperatorRegistry) -> None:
    kopf.on.event(kind.group, kind.version, kind.plural, id=f"{kind.plural}-changed", registry=registry)(handler)


def _resource_changed(queue: WorkQueue, watched: Watched) -> Callable[..., Any]:
    async def resource_changed(*, event: Any, **_: Any) -> None:
        watched(KIND)
        metadata = event["object"]["metadata"]
        deleted = event["type"] == "DELETED" or "deletionTimestamp" in metadata
        await queue.add(Key(metadata["namespace"], metadata["name"]), generation=metadata["generation"], first=deleted)

    return resource_changed


def _child_changed(queue: WorkQueue, kind: Kind, watched: Watched) -> Callable[..., Any]:
    async def child_changed(*, event: Any, **_: Any) -> None:
        watched(kind.name)
        metadata = event["object"]["metadata"]
        owner = controller(event["object"])
        if owner and owner["kind"] == KIND:
            await queue.add(Key(metadata["namespace"], owner["name"]))

    return child_changed
