"""Admits requests by principal: counted in Redis when there is one, and in this process while there is none."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from analytics_service.cache.redis import Redis, RedisUnavailable, Script
from analytics_service.cache.single_flight import SingleFlight
from analytics_service.contract.limit import Limit
from analytics_service.contract.principal import LIMITS, Principal, Role
from analytics_service.rate_limit.gcra import LUA, Admission, admission, admit
from analytics_service.rate_limit.leases import Key, Leases, max_lease


def _microseconds() -> int:
    return time.monotonic_ns() // 1000


class Limiter:
    """Fails open to local counting where Redis is down: a principal then has its rate in each process."""

    def __init__(
        self,
        redis: Redis | None,
        *,
        limits: Mapping[Role, Limit] = LIMITS,
        clock: Callable[[], int] = _microseconds,
        capacity: int = 100_000,
    ) -> None:
        self._redis = redis
        self._limits = limits
        self._clock = clock
        self._capacity = capacity
        self._script = Script(LUA)
        self._leases = Leases(capacity=capacity)
        self._calls: SingleFlight[Admission | None] = SingleFlight()
        self._prefetching: dict[Key, asyncio.Task[None]] = {}
        self._ahead_until: OrderedDict[Key, int] = OrderedDict()

    async def admit(self, principal: Principal) -> Admission:
        return await self._admit(_key(principal), self._limit(principal), 1)

    async def weigh(self, principal: Principal, weight: int) -> Admission | None:
        """Admits the rest of a request that was admitted as one, and counts as `weight`; None where there is no rest.

        None counts as more than a burst, so that each is admitted at some time.
        """
        limit = self._limit(principal)
        rest = min(weight, limit.burst) - 1
        return await self._admit(_key(principal), limit, rest) if rest > 0 else None

    async def _admit(self, key: Key, limit: Limit, count: int) -> Admission:
        if self._redis is None:
            return self._admit_here(key, limit, count)
        while (known := self._take(key, limit, count)) is None:
            try:
                refused, _ = await self._calls.join(_name(key), lambda: self._lease(key, limit, count))
            except RedisUnavailable:
                return self._admit_here(key, limit, count)  # counted in this process until Redis is back
            if refused is not None:
                return refused
        return known

    async def _lease(self, key: Key, limit: Limit, count: int) -> Admission | None:
        """Takes one lease for all that wait for it; returns the refusal where none is granted.

        One that grants less than `count` is added to the one before: the next one grants the rest, or refuses.
        """
        assert self._redis is not None  # noqa: S101 - who has none leases nothing
        waiting, now = self._calls.waiting(_name(key)), self._clock()
        requested = max(min(max(self._leases.next_size(key, limit, now=now), waiting), max_lease(limit)), count)
        ahead, wait, granted = await self._redis.run(
            self._script, _name(key), [limit.interval, limit.tolerance, requested]
        )
        if granted == 0:
            return admission(limit, ahead=ahead, wait=wait + (count - 1) * limit.interval)
        self._leases.grant(key, granted=granted, ahead=ahead, now=self._clock())
        return None

    def _take(self, key: Key, limit: Limit, count: int) -> Admission | None:
        """Admits from the lease, and prefetches the next one before this one is used up."""
        found = self._leases.take(key, limit, now=self._clock(), count=count)
        if found is not None and self._leases.is_low(key) and key not in self._prefetching:
            self._prefetching[key] = task = asyncio.create_task(self._prefetch(key, limit))
            task.add_done_callback(lambda _done: self._prefetching.pop(key))
        return found

    async def _prefetch(self, key: Key, limit: Limit) -> None:
        with contextlib.suppress(RedisUnavailable):
            await self._calls.join(_name(key), lambda: self._lease(key, limit, 1))

    def take(self, principal: Principal, weight: int = 1) -> Admission | None:
        """Admits a request that counts as `weight` without I/O; None where `admit` and `weigh` have to decide."""
        limit, key = self._limit(principal), _key(principal)
        count = min(weight, limit.burst)
        if self._redis is not None:
            return self._take(key, limit, count)
        found = self._admit_here(key, limit, count)
        return found if found.admitted else None

    def _limit(self, principal: Principal) -> Limit:
        return principal.limit or self._limits[principal.role]

    def _admit_here(self, key: Key, limit: Limit, count: int) -> Admission:
        admission_, self._ahead_until[key] = admit(
            limit, ahead_until=self._ahead_until.get(key, 0), now=self._clock(), count=count
        )
        self._ahead_until.move_to_end(key)
        if len(self._ahead_until) > self._capacity:
            self._ahead_until.popitem(last=False)  # who asked longest ago starts anew
        return admission_


def _key(principal: Principal) -> Key:
    """An API key is counted by itself, whatever the subject of a token is called."""
    own = () if principal.key is None else (principal.key.id,)
    return principal.organisation, principal.subject, principal.role, *own


def _name(key: Key) -> str:
    """Returns the Redis key; hashed, since names may hold any character."""
    return f"analytics:limit:{sha256(chr(0).join(key).encode()).hexdigest()}"
