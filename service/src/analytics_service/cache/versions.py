"""Versions of organisations' rows, read from the database at most once in FRESHNESS.version_seconds each."""

import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from analytics_service.cache.single_flight import SingleFlight
from analytics_service.rollups.repricing import Repricing
from analytics_service.rollups.versions import DayVersions
from analytics_service.units.freshness import FRESHNESS

Ask = Callable[[str], Coroutine[Any, Any, DayVersions]]


class VersionCache:
    def __init__(self, ask: Ask, *, clock: Callable[[], float] = time.monotonic, capacity: int = 1_000) -> None:
        self._ask = ask
        self._clock = clock
        self._capacity = capacity
        self._calls: SingleFlight[DayVersions] = SingleFlight()
        self._known: OrderedDict[str, tuple[float, DayVersions]] = OrderedDict()

    async def version(self, organisation: str, start: datetime, end: datetime) -> str:
        """Returns the version of a range's rows, at most FRESHNESS.version_seconds old."""
        if (known := self.known(organisation, start, end)) is not None:
            return known
        found, _ = await self._calls.join(organisation, lambda: self.renew(organisation))
        return found.of(start, end)

    def known(self, organisation: str, start: datetime, end: datetime) -> str | None:
        """Returns the cached version; None where it has to be read."""
        found = self._known.get(organisation)
        return found[1].of(start, end) if found and self._clock() < found[0] + FRESHNESS.version_seconds else None

    def known_until(self, organisation: str) -> float:
        """Returns when the cached version expires, by the clock."""
        found = self._known.get(organisation)
        return found[0] + FRESHNESS.version_seconds if found else float("-inf")

    def repricing(self, organisation: str, start: datetime, end: datetime) -> Repricing | None:
        """Returns the plan that changed prices in the range as of the newest version that `version` gave, or later."""
        found = self._known.get(organisation)
        active = found[1].repricing if found else None
        return active.within(start, end) if active is not None else None

    def lsn(self, organisation: str) -> int | None:
        """Returns the LSN of the newest version that `version` gave, or a later one."""
        found = self._known.get(organisation)
        return found[1].lsn if found else None

    async def renew(self, organisation: str) -> DayVersions:
        """Reads the version from the database, so that `version` covers all rows committed before the call."""
        asked = self._clock()  # the answer may be as old as the question
        found = await self._ask(organisation)
        if asked < self._known.get(organisation, (float("-inf"), found))[0]:
            return found  # somebody asked later, and was answered sooner
        self._known[organisation] = (asked, found)
        self._known.move_to_end(organisation)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return found
