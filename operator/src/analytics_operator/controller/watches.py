"""The table of triggers: every event of a resource or of a child puts the resource's key into the queue, no more.

kopf is the informer. A handler here never reads what changed: events may be lost or repeated.
"""

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import kopf
import structlog
from typing_extensions import override

from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.controller.watch_lag import UnconfirmedWrites
from analytics_operator.controller.workqueue import WorkQueue
from analytics_operator.kube import informer, labels
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

log = structlog.get_logger(__name__)

EventPredicate = Callable[[Key, Ref, Manifest], bool]
"""Whether an event of the object needs a reconcile: not where our own last write left it so."""

OnEvent = Callable[[str, Manifest], None]
"""Called with the kind and the object of every event."""


class _Backoffs:
    """Seconds before each attempt after a failed one; unbounded: a watch that gives up would end the process."""

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


def register(
    queue: WorkQueue, *, predicate: EventPredicate, writes: UnconfirmedWrites, count: Callable[[str], None]
) -> kopf.OperatorRegistry:
    """All that the operator reacts to; `count` is called with the kind of every event."""
    registry = kopf.OperatorRegistry()

    async def login(**context: Any) -> Any:
        return await informer.login(_on_response(writes), queue.add_all, **context)

    def on_event(kind: str, manifest: Manifest) -> None:
        count(kind)
        writes.confirm(kind, manifest)

    kopf.on.login(registry=registry)(login)
    _register(ANALYTICS_API, _resource_changed(queue, on_event, predicate), registry)
    for kind in WATCHED:
        _register(kind, _child_changed(queue, kind, on_event, predicate), registry)
    return registry


def _on_response(writes: UnconfirmedWrites) -> informer.OnResponse:
    kinds = {kind.plural: kind.name for kind in (ANALYTICS_API, *WATCHED)}

    def on_response(namespace: str, plural: str, status: int) -> None:
        kind = kinds.get(plural)
        if kind and writes.watch_answered(kind, namespace, accepted=status < 400):
            log.warning("watch response changed", namespace=namespace, kind=kind, status=status)

    return on_response


def settings() -> kopf.OperatorSettings:
    """Settings of kopf as an informer only: it writes nothing, and watches of children see ours alone."""
    result = kopf.OperatorSettings()
    result.posting.enabled = False
    result.persistence.diffbase_storage = _NoDiffs()
    result.scanning.disabled = True
    result.watching.inactivity_timeout = 70
    result.watching.server_timeout = 300
    result.watching.connect_timeout = 10
    result.watching.chunk_size = 200  # whole lists of thousands would stay in memory for the life of the process
    result.networking.request_timeout = 30
    result.networking.error_backoffs = _Backoffs()
    result.peering.standalone = True
    result.queueing.worker_limit = None  # a limit keeps each slot for seconds after its event
    result.queueing.idle_timeout = 0.2  # each object has a worker while it is busy: after a start that is all of them
    result.queueing.exit_timeout = 0.2  # handlers only fill a queue: at the end there is nothing to wait for
    for kind in WATCHED:
        result.watching.label_selectors[kind.group, kind.version, kind.plural] = labels.OURS
    return result


def _register(kind: Kind, handler: Callable[..., Any], registry: kopf.OperatorRegistry) -> None:
    kopf.on.event(kind.group, kind.version, kind.plural, id=f"{kind.plural}-changed", registry=registry)(handler)


def _resource_changed(queue: WorkQueue, on_event: OnEvent, predicate: EventPredicate) -> Callable[..., Any]:
    async def resource_changed(*, event: Any, **_: Any) -> None:
        on_event(KIND, event["object"])
        metadata = event["object"]["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        deleted = event["type"] == "DELETED" or "deletionTimestamp" in metadata
        if deleted or _needs_reconcile(event, key, Ref(ANALYTICS_API, key.name), predicate):
            await queue.add(key, generation=metadata["generation"], first=deleted)

    return resource_changed


def _needs_reconcile(event: Any, key: Key, ref: Ref, predicate: EventPredicate) -> bool:
    """A list and the end of an object always do; the predicate decides of all else."""
    return event["type"] not in {"ADDED", "MODIFIED"} or predicate(key, ref, event["object"])


class _AutoscalerEvents:
    """Finds repeated events of autoscalers: each writes fresh metrics into its status every 15 seconds."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def repeated(self, event: Any) -> bool:
        metadata, status = event["object"]["metadata"], event["object"].get("status", {})
        if event["type"] == "DELETED":
            self._digests.pop(metadata["uid"], None)
            return False
        owned = {name: metadata.get(name) for name in ("labels", "annotations", "ownerReferences", "deletionTimestamp")}
        verdicts = [(each["type"], each["status"], each["reason"]) for each in status.get("conditions") or ()]
        now = digests.of([owned, event["object"].get("spec"), verdicts])
        before, self._digests[metadata["uid"]] = self._digests.get(metadata["uid"]), now
        return event["type"] is not None and now == before  # a relist is a resync


def _child_changed(queue: WorkQueue, kind: Kind, on_event: OnEvent, predicate: EventPredicate) -> Callable[..., Any]:
    events = _AutoscalerEvents()

    async def child_changed(*, event: Any, **_: Any) -> None:
        on_event(kind.name, event["object"])
        if kind is HORIZONTAL_POD_AUTOSCALER and events.repeated(event):
            return
        metadata = event["object"]["metadata"]
        for key in {Key(metadata["namespace"], name) for name in _instances(event["object"])}:
            if _needs_reconcile(event, key, Ref(kind, metadata["name"]), predicate):
                await queue.add(key)

    return child_changed


def _instances(child: Manifest) -> Iterator[str]:
    """Names of resources that the object belongs to, or did before somebody took its owner or its label away."""
    owner, owned = controller(child), child["metadata"].get("labels", {})
    if owner and owner["kind"] == KIND:
        yield owner["name"]
    if labels.INSTANCE in owned:
        yield owned[labels.INSTANCE]
