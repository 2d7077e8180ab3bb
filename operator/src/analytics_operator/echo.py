"""Whether watches deliver: what the operator wrote has to come back as an event.

An idle cluster is silent, so the time since the last event proves nothing. A watch that keeps its connection and
delivers nothing is found by our own writes: each raises the resourceVersion, and the watch of the kind has to reach it.
"""

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 150.0
"""Twice as long as the informer itself lets a watch be silent, and some to spare."""


class Echo:
    """By kind, the writes that its watch has not reached yet."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reached: dict[str, int] = {}
        self._awaited: dict[str, list[tuple[int, float]]] = {}

    def heard(self, kind: str, manifest: dict[str, Any]) -> None:
        """An event of the kind; it may come before the answer to the write that caused it."""
        reached = self._reached[kind] = max(_version(manifest), self._reached.get(kind, 0))
        if self._awaited.get(kind):
            self._awaited[kind] = [each for each in self._awaited[kind] if each[0] > reached]

    def wrote(self, kind: str, manifest: dict[str, Any]) -> None:
        """The answer to a write; one that changed nothing has been heard of already."""
        version = _version(manifest)
        if version > self._reached.get(kind, 0):
            self._awaited.setdefault(kind, []).append((version, self._clock()))

    def age(self, kind: str) -> float:
        """Seconds that the oldest write to the kind has waited for its event."""
        awaited = self._awaited.get(kind)
        return self._clock() - min(since for _, since in awaited) if awaited else 0.0

    def silent(self) -> tuple[str, ...]:
        """Kinds whose watch is taken for dead."""
        return tuple(kind for kind in self._awaited if self.age(kind) > PATIENCE_SECONDS)


def _version(manifest: dict[str, Any]) -> int:
    return int(manifest["metadata"]["resourceVersion"])
