"""Cache of finished answers: memory over Redis, with one computation at a time for each key.

A key holds everything that an answer depends on, the state of the data included, so an entry is never wrong; its time
to live only bounds how long nobody's answers take up room.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from analytics_service import __version__
from analytics_service.cache import codings
from analytics_service.cache.codings import Coding
from analytics_service.cache.memory import ByteBoundedLru, Stored
from analytics_service.cache.redis import Redis, RedisUnavailable
from analytics_service.cache.single_flight import SingleFlight
from analytics_service.contract.principal import Principal

_PREFIX: Final = "analytics:answer:"
_TAG_BYTES: Final = 32
MAX_SHARED_BYTES: Final = 1024 * 1024
"""Of an answer in Redis: while a longer one is sent, whatever else travels with it waits, and Redis answers nobody."""
_MARKS: Final = {Coding.IDENTITY: b"i", Coding.GZIP: b"g"}
_CODINGS: Final = {mark: coding for coding, mark in _MARKS.items()}
_SUFFIXES: Final = {Coding.IDENTITY: "", Coding.GZIP: "+gzip"}
"""Of keys in memory, where an answer is held in each coding by itself."""


class Tier(StrEnum):
    MEMORY = "memory"
    REDIS = "redis"
    STALE = "stale"
    """From memory, of an expired version."""
    NONE = "none"


@dataclass(frozen=True)
class CacheResult:
    stored: Stored
    tier: Tier
    shared: bool
    """Whether another request computed it."""


def key(principal: Principal, *parts: str | bytes) -> str:
    """Returns a key that differs whenever anything differs that the answer depends on; lengths delimit its parts.

    The release is one of them: two of them share a Redis while the pods are replaced, and may write bodies differently.
    """
    digest = sha256()
    projects = [str(len(principal.projects)), *sorted(principal.projects)]
    for part in (__version__, principal.organisation, *projects, *parts):
        encoded = part.encode() if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return _PREFIX + digest.hexdigest()


async def stored(body: bytes, coding: Coding = Coding.IDENTITY) -> Stored:
    digest = sha256()
    async for part in codings.in_parts(body):
        digest.update(part)
    return Stored(tag=digest.hexdigest()[:_TAG_BYTES], body=body, coding=coding)


def _serves(answer: Stored, coding: Coding) -> bool:
    """Whether a client that accepts the coding gets the answer as it is."""
    return answer.coding is coding or (answer.coding is Coding.IDENTITY and len(answer.body) < codings.MIN_GZIP_BYTES)


class AnswerCache:
    """Holds each answer in the codings that were asked for, each of them coded once."""

    def __init__(
        self, redis: Redis | None, *, max_bytes: int = 64 * 1024 * 1024, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._memory: ByteBoundedLru[str, Stored] = ByteBoundedLru(max_bytes=max_bytes)
        self._clock = clock
        self._calls: SingleFlight[tuple[Stored, Tier]] = SingleFlight()
        self._recodings: SingleFlight[Stored] = SingleFlight()
        self.bulk_lock = asyncio.Lock()
        """Held by who encodes or compresses a long answer, which takes many turns of the loop: one at a time."""

    @property
    def size(self) -> int:
        """Approximate size of the entries in memory, in bytes."""
        return self._memory.size

    def in_memory(self, name: str, coding: Coding) -> CacheResult | None:
        """Returns the entry in memory, as a client gets it that accepts the coding; None where there is none."""
        now = self._clock()
        hit = self._memory.get(name + _SUFFIXES[coding], now)
        if hit is None and coding is not Coding.IDENTITY:
            hit = self._memory.get(name, now)
            if hit is not None and not _serves(hit, coding):
                hit = None
        return None if hit is None else CacheResult(hit, Tier.MEMORY, shared=False)

    async def get_or(
        self,
        name: str,
        compute: Callable[[], Coroutine[Any, Any, bytes]],
        *,
        seconds: int,
        coding: Coding = Coding.IDENTITY,
    ) -> CacheResult:
        """Returns the entry `name` in the coding, else the result of `compute`, which is stored for `seconds`."""
        if (held := self.in_memory(name, coding)) is not None:
            return held
        (answer, tier), first = await self._calls.join(name, lambda: self._fill(name, compute, seconds))
        if not _serves(answer, coding):
            answer = await self._recode(name, answer, coding, seconds)
        if first and tier is Tier.NONE:
            self._share(name, answer, seconds)
        return CacheResult(answer, tier, shared=not first)

    async def _fill(
        self, name: str, compute: Callable[[], Coroutine[Any, Any, bytes]], seconds: int
    ) -> tuple[Stored, Tier]:
        """Returns the answer in the coding in which it is found."""
        for coding in Coding:
            if (held := self.in_memory(name, coding)) is not None:
                return held.stored, held.tier
        answer, tier = await self._from_redis(name), Tier.REDIS
        if answer is None:
            answer, tier = await stored(await compute()), Tier.NONE
        self._remember(name, answer, seconds)
        return answer, tier

    async def _recode(self, name: str, answer: Stored, coding: Coding, seconds: int) -> Stored:
        found, first = await self._recodings.join(name + _SUFFIXES[coding], lambda: self._recoded(answer, coding))
        if first:
            self._remember(name, found, seconds)
        return found

    async def _recoded(self, answer: Stored, coding: Coding) -> Stored:
        recode = codings.gzipped if coding is Coding.GZIP else codings.gunzipped
        async with self.bulk_lock if len(answer.body) > codings.PART_BYTES else nullcontext():
            return await stored(await recode(answer.body), coding)

    def _remember(self, name: str, answer: Stored, seconds: int) -> None:
        self._memory.put(name + _SUFFIXES[answer.coding], answer, until=self._clock() + seconds)

    def _share(self, name: str, answer: Stored, seconds: int) -> None:
        """Puts the answer into Redis: its coding, its tag, its bytes."""
        if self._redis is not None and len(answer.body) <= MAX_SHARED_BYTES:
            self._redis.put(name, _MARKS[answer.coding] + answer.tag.encode() + answer.body, seconds=seconds)

    async def _from_redis(self, name: str) -> Stored | None:
        if self._redis is None:
            return None
        try:
            value = await self._redis.get(name)
        except RedisUnavailable:
            return None
        if value is None or (coding := _CODINGS.get(value[:1])) is None:
            return None
        found = await stored(value[1 + _TAG_BYTES :], coding)
        # cut short or not ours: as if absent
        return found if found.tag.encode() == value[1 : 1 + _TAG_BYTES] else None
