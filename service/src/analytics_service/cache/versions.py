"""The version of an organisation's rows in a range, asked of the database at most once a second."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

REMEMBERED_SECONDS: Final = 1.0
"""How old an answer may be, at most, when rows change."""

Ask = Callable[[str, datetime, datetime], Awaitable[str]]
_Key = tuple[str, datetime, datetime]


class Versions:
    def __init__(self, ask: Ask, *, clock: Callable[[], float] = time.monotonic, capacity: int = 10_000) -> None:
        self._ask = ask
        self._clock = clock
        self._capacity = capacity
        self._known: OrderedDict[_Key, tuple[float, str]] = OrderedDict()

    async def version(self, organisation: str, start: datetime, end: datetime) -> str:
        """The version as of a moment between one second ago and now."""
        if (known := self.known(organisation, start, end)) is not None:
            return known
        key, asked = (organisation, start, end), self._clock()
        version = await self._ask(organisation, start, end)
        self._known[key] = (asked, version)  # from when it was asked: the answer may be as old as the question
        self._known.move_to_end(key)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return version

    def known(self, organisation: str, start: datetime, end: datetime) -> str | None:
        """The version where nobody has to be asked for it."""
        asked, version = self._known.get((organisation, start, end), (float("-inf"), ""))
        return version if self._clock() < asked + REMEMBERED_SECONDS else None

    def forget(self, organisation: str, start: datetime, end: datetime) -> None:
        self._known.pop((organisation, start, end), None)

    def known_until(self, organisation: str, start: datetime, end: datetime) -> float:
        """Until when, by the clock, `version` says again what it said last."""
        asked, _ = self._known.get((organisation, start, end), (float("-inf"), ""))
        return asked + REMEMBERED_SECONDS
