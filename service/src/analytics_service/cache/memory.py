"""An LRU cache that is bounded by the bytes of its entries."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from analytics_service.cache.codings import Coding

MIN_ENTRIES: Final = 16
"""Of a full cache, at least: a few large answers must not evict all others."""
OVERHEAD: Final = 200
"""Bytes of an entry beside its body, about: key, entry and the dictionary's share."""


@dataclass(frozen=True)
class Stored:
    """A finished answer. The tag is the hash of the bytes, so it also tells whether they are whole."""

    tag: str
    body: bytes
    coding: Coding

    @property
    def weight(self) -> int:
        return len(self.body)


class Weighed(Protocol):
    @property
    def weight(self) -> int:
        """Bytes."""


K = TypeVar("K", str, bytes)
V = TypeVar("V", bound=Weighed)


class ByteBoundedLru(Generic[K, V]):
    """Holds entries until they expire or are evicted; one that would take more than its share is not stored."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._max_entry_bytes = max_bytes // MIN_ENTRIES
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self.size = 0

    def get(self, key: K, now: float) -> V | None:
        found = self._entries.get(key)
        if found is None:
            return None
        until, kept = found
        if now >= until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return kept

    def put(self, key: K, kept: V, *, until: float) -> None:
        self._drop(key)
        if _weight(kept) > self._max_entry_bytes:
            return
        self._entries[key] = (until, kept)
        self.size += _weight(kept)
        while self.size > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: K) -> None:
        if (found := self._entries.pop(key, None)) is not None:
            self.size -= _weight(found[1])


def _weight(kept: Weighed) -> int:
    return kept.weight + OVERHEAD
