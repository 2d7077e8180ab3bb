"""Finished bytes in this process: the least recently used go first when they hold more than a bound."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

OVERHEAD: Final = 200
"""Bytes of an entry beside its body, about: key, entry and the dictionary's share."""


@dataclass(frozen=True)
class Stored:
    """A finished answer. The tag is the hash of the body, so it also tells whether the body is whole."""

    tag: str
    body: bytes


class Memory:
    """Entries are found until their time is over or their room is needed; one too large for all of it is not kept."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[str, tuple[float, Stored]] = OrderedDict()
        self.size = 0

    def get(self, key: str, now: float) -> Stored | None:
        found = self._entries.get(key)
        if found is None:
            return None
        until, stored = found
        if now >= until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return stored

    def put(self, key: str, stored: Stored, *, until: float) -> None:
        self._drop(key)
        if _weight(stored) > self._most:
            return
        self._entries[key] = (until, stored)
        self.size += _weight(stored)
        while self.size > self._most:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        if (found := self._entries.pop(key, None)) is not None:
            self.size -= _weight(found[1])


def _weight(stored: Stored) -> int:
    return len(stored.body) + OVERHEAD
