"""Watch lag: whether watches deliver. An object that the operator wrote has to come back as an event.

An idle cluster is silent, so the time since the last event proves nothing. A watch that keeps its connection and
delivers nothing is found by our own writes: each raises the resourceVersion, and the watch of the kind has to reach it.
A watch that the API server refuses is not silent: that is a matter of rights, which a new process would not have
either.
"""

import time
from collections.abc import Callable
from typing import Any

from analytics_operator.kube.objects import OPTIONAL

SILENT_TIMEOUT_SECONDS = 150.0
"""Twice as long as the informer itself lets a watch be silent, and some to spare."""
UNWATCHED = frozenset(kind.name for kind in OPTIONAL)
"""No event ever confirms a write to these."""


class UnconfirmedWrites:
    """By kind, the oldest write that its watch has not reached yet."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reached: dict[str, int] = {}
        self._unconfirmed: dict[str, tuple[int, float]] = {}
        self._refused: set[tuple[str, str]] = set()
        """Kind and namespace; no namespace: all of them."""

    def confirm(self, kind: str, manifest: dict[str, Any]) -> None:
        """An event of the kind; it may come before the answer to the write that caused it."""
        reached = self._reached[kind] = max(_version(manifest), self._reached.get(kind, 0))
        if kind in self._unconfirmed and self._unconfirmed[kind][0] <= reached:
            del self._unconfirmed[kind]

    def record(self, kind: str, manifest: dict[str, Any]) -> None:
        """The answer to a write; the event of one that changed nothing has come before."""
        if kind in UNWATCHED:
            return
        version = _version(manifest)
        watched = {(kind, ""), (kind, manifest["metadata"].get("namespace", ""))}
        if version > self._reached.get(kind, 0) and not watched & self._refused:
            self._unconfirmed.setdefault(kind, (version, self._clock()))

    def watch_answered(self, kind: str, namespace: str, *, accepted: bool) -> bool:
        """The API server's answer to a list or watch; whether the namespace's answers are others than before.

        A namespace that is gone, or whose Role is, is one change and not one of each kind.
        """
        before = self._namespaces_refused()
        if accepted:
            self._refused.discard((kind, namespace))
        else:
            self._refused.add((kind, namespace))
            self._unconfirmed.pop(kind, None)
        return before != self._namespaces_refused()

    def refused(self, kind: str, namespace: str) -> bool:
        return (kind, namespace) in self._refused

    def _namespaces_refused(self) -> set[str]:
        return {namespace for _, namespace in self._refused}

    def age(self, kind: str) -> float:
        """Seconds that the oldest write to the kind has waited for its event."""
        return self._clock() - self._unconfirmed[kind][1] if kind in self._unconfirmed else 0.0

    def silent(self) -> tuple[str, ...]:
        """Kinds whose watch is taken for dead."""
        return tuple(kind for kind in self._unconfirmed if self.age(kind) > SILENT_TIMEOUT_SECONDS)


def _version(manifest: dict[str, Any]) -> int:
    return int(manifest["metadata"]["resourceVersion"])
