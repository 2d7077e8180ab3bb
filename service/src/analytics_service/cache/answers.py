"""Cache of finished answers: memory over Redis, with one computation at a time for each key.

A key holds everything that an answer depends on, the state of the data included, so an entry is never wrong; its time
to live only bounds how long nobody's answers take up room.
"""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from analytics_service import __version__
from analytics_service.cache.memory import ByteBoundedLru, Stored
from analytics_service.cache.redis import Redis, RedisUnavailable
from analytics_service.cache.single_flight import SingleFlight
from analytics_service.contract.principal import Principal

_PREFIX: Final = "analytics:answer:"
_TAG_BYTES: Final = 32


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


def stored(body: bytes) -> Stored:
    return Stored(tag=sha256(body).hexdigest()[:_TAG_BYTES], body=body)


class AnswerCache:
    def __init__(
        self, redis: Redis | None, *, max_bytes: int = 64 * 1024 * 1024, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._memory: ByteBoundedLru[str, Stored] = ByteBoundedLru(max_bytes=max_bytes)
        self._clock = clock
        self._calls: SingleFlight[tuple[Stored, Tier]] = SingleFlight()

    @property
    def size(self) -> int:
        """Approximate size of the entries in memory, in bytes."""
        return self._memory.size

    def in_memory(self, name: str) -> CacheResult | None:
        """Returns the entry in memory; None where there is none."""
        hit = self._memory.get(name, self._clock())
        return None if hit is None else CacheResult(hit, Tier.MEMORY, shared=False)

    async def get_or(
        self, name: str, compute: Callable[[], Coroutine[Any, Any, bytes]], *, seconds: int
    ) -> CacheResult:
        """Returns the entry `name`, else the result of `compute`, which is stored for `seconds`."""
        if (held := self.in_memory(name)) is not None:
            return held
        (answer, tier), first = await self._calls.join(name, lambda: self._fill(name, compute, seconds))
        return CacheResult(answer, tier, shared=not first)

    async def _fill(
        self, name: str, compute: Callable[[], Coroutine[Any, Any, bytes]], seconds: int
    ) -> tuple[Stored, Tier]:
        answer, tier = await self._from_redis(name), Tier.REDIS
        if answer is None:
            answer, tier = stored(await compute()), Tier.NONE
            if self._redis is not None:
                self._redis.put(name, answer.tag.encode() + answer.body, seconds=seconds)
        self._memory.put(name, answer, until=self._clock() + seconds)
        return answer, tier

    async def _from_redis(self, name: str) -> Stored | None:
        if self._redis is None:
            return None
        try:
            value = await self._redis.get(name)
        except RedisUnavailable:
            return None
        if value is None:
            return None
        found = stored(value[_TAG_BYTES:])
        return found if found.tag.encode() == value[:_TAG_BYTES] else None  # cut short or not ours: as if absent
