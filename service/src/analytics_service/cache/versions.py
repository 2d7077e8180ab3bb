"""The versions of an organisation's rows, asked of the database at most once a second, whatever the ranges are."""

import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final

from analytics_service.cache.single_flight import Flights
from analytics_service.rollups.versions import DayVersions

REMEMBERED_SECONDS: Final = 1.0
"""How old an answer may be, at most, when rows change."""

Ask = Callable[[str], Coroutine[Any, Any, DayVersions]]


class Versions:
    def __init__(self, ask: Ask, *, clock: Callable[[], float] = time.monotonic, capacity: int = 1_000) -> None:
        self._ask = ask
        self._clock = clock
        self._capacity = capacity
        self._flights: Flights[DayVersions] = Flights()
        self._known: OrderedDict[str, tuple[float, DayVersions]] = OrderedDict()

    async def version(self, organisation: str, start: datetime, end: datetime) -> str:
        """The version as of a moment between one second ago and now."""
        if (known := self.known(organisation, start, end)) is not None:
            return known
        found, _ = await self._flights.join(organisation, lambda: self.renew(organisation))
        return found.of(start, end)

    def known(self, organisation: str, start: datetime, end: datetime) -> str | None:
        """The version where nobody has to be asked for it."""
        found = self._known.get(organisation)
        return found[1].of(start, end) if found and self._clock() < found[0] + REMEMBERED_SECONDS else None

    def known_until(self, organisation: str) -> float:
        """Until when, by the clock, `version` says again what it said last."""
        found = self._known.get(organisation)
        return found[0] + REMEMBERED_SECONDS if found else float("-inf")

    def place(self, organisation: str) -> int | None:
        """In the primary's log: of the newest version that `version` gave, or a later one."""
        found = self._known.get(organisation)
        return found[1].lsn if found else None

    async def renew(self, organisation: str) -> DayVersions:
        """Asks in any case, so that `version` knows of all that was there before."""
        asked = self._clock()  # the answer may be as old as the question
        found = await self._ask(organisation)
        if asked < self._known.get(organisation, (float("-inf"), found))[0]:
            return found  # somebody asked later, and was answered sooner
        self._known[organisation] = (asked, found)
        self._known.move_to_end(organisation)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return found
