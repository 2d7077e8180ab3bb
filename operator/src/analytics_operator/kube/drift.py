"""Drift: what others changed of our children, and what of it they change again and again.

An event whose object has lost fields of ours is remembered until the apply that takes them back: both together say
which fields, and whose they were. Of a child only a digest is kept meanwhile.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from analytics_operator.kube import managed_fields
from analytics_operator.kube.objects import Key, Manifest, Ref

CONTESTED_TIMES = 3
CONTESTED_SECONDS = 600.0
"""A field that is taken so often in that time is contested."""
REPLICAS = "spec.replicas"


@dataclass(frozen=True, order=True)
class Takeover:
    """A field of a child, and the field manager that set it to another value."""

    ref_text: str
    field: str
    manager: str


@dataclass(frozen=True)
class Correction:
    """A child that is as declared again: `takeovers` is empty where it had been deleted."""

    ref: Ref
    takeovers: tuple[Takeover, ...] = ()


class Drift:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owned: dict[Key, dict[Ref, int]] = defaultdict(dict)
        """Hash of the fields that were ours after our last write."""
        self._changed: dict[Key, dict[Ref, Manifest]] = defaultdict(dict)
        self._times: dict[Key, dict[Takeover, deque[float]]] = defaultdict(dict)
        self._corrections: dict[Key, list[Correction]] = defaultdict(list)

    def observe(self, key: Key, ref: Ref, manifest: Manifest) -> None:
        """An event of a child."""
        owned = self._owned.get(key, {}).get(ref)
        if owned is not None and owned != _hash(manifest):
            self._changed[key][ref] = {"metadata": {"managedFields": manifest["metadata"].get("managedFields", [])}}

    def written(self, key: Key, ref: Ref, live: Manifest) -> None:
        """The answer to an apply."""
        self._owned[key][ref] = _hash(live)
        before = self._changed[key].pop(ref, None)
        takeovers = {
            Takeover(ref.text, managed_fields.text(path), manager)
            for path, manager in (managed_fields.taken(before, live) if before else ())
        }
        if not takeovers:
            return
        for each in takeovers:
            self._times[key].setdefault(each, deque(maxlen=CONTESTED_TIMES)).append(self._clock())
        contested = self.contested(key)
        fresh = tuple(sorted(each for each in takeovers if each not in contested))
        if fresh:  # a contested field has its condition instead
            self._corrections[key].append(Correction(ref, fresh))

    def recreated(self, key: Key, ref: Ref) -> None:
        """A child that we had made was gone."""
        self._changed[key].pop(ref, None)
        self._corrections[key].append(Correction(ref))

    def contested(self, key: Key) -> tuple[Takeover, ...]:
        """What was taken CONTESTED_TIMES within CONTESTED_SECONDS, in order."""
        since = self._clock() - CONTESTED_SECONDS
        times = self._times.get(key, {})
        return tuple(sorted(each for each, at in times.items() if len(at) == CONTESTED_TIMES and at[0] > since))

    def pop_corrections(self, key: Key) -> tuple[Correction, ...]:
        return tuple(self._corrections.pop(key, ()))

    def forget(self, key: Key) -> None:
        self._owned.pop(key, None)
        self._changed.pop(key, None)
        self._times.pop(key, None)
        self._corrections.pop(key, None)


def _hash(manifest: Manifest) -> int:
    return hash(str(managed_fields.ours(manifest)))
