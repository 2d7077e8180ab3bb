"""Admits requests by principal: counted in Redis when there is one, and in this process while there is none."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from analytics_service.auth.principal import Principal, Role
from analytics_service.limits.gcra import LIMITS, LUA, Admission, Limit, admission, admit
from analytics_service.limits.leases import Key, Leases
from analytics_service.redis import Redis, RedisUnavailable, Script


def _microseconds() -> int:
    return time.monotonic_ns() // 1000


class Limiter:
    """Never raises for a Redis that is down: each process counts alone then, so a principal has the rate of each."""

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
        self._ahead_until: OrderedDict[Key, int] = OrderedDict()

    async def admit(self, principal: Principal) -> Admission:
        limit, key = self._limits[principal.role], _key(principal)
        if self._redis is None:
            return self._admit_here(key, limit)
        if (known := self._leases.take(key, limit, now=self._clock())) is not None:
            return known
        wanted = self._leases.wanted(key, limit, now=self._clock())
        try:
            ahead, wait, granted = await self._redis.run(
                self._script, [_name(key)], [limit.interval, limit.tolerance, wanted]
            )
        except RedisUnavailable:
            return self._admit_here(key, limit)  # counted in this process until Redis is back
        if granted == 0:
            return admission(limit, ahead=ahead, wait=wait)
        return self._leases.grant(key, limit, granted=granted, ahead=ahead, now=self._clock())

    def take(self, principal: Principal) -> Admission | None:
        """Admits one request where nobody has to be asked for it; None where `admit` has to decide."""
        limit, key = self._limits[principal.role], _key(principal)
        if self._redis is not None:
            return self._leases.take(key, limit, now=self._clock())
        found = self._admit_here(key, limit)
        return found if found.admitted else None

    def _admit_here(self, key: Key, limit: Limit) -> Admission:
        admission_, self._ahead_until[key] = admit(limit, ahead_until=self._ahead_until.get(key, 0), now=self._clock())
        self._ahead_until.move_to_end(key)
        if len(self._ahead_until) > self._capacity:
            self._ahead_until.popitem(last=False)  # who asked longest ago starts anew
        return admission_


def _key(principal: Principal) -> Key:
    return principal.organisation, principal.subject, principal.role


def _name(key: Key) -> str:
    """Hashed, since names may hold any character."""
    return f"analytics:limit:{sha256(chr(0).join(key).encode()).hexdigest()}"
