"""Admits requests by principal: counted in Redis when there is one, and in this process while there is none."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from analytics_service.auth.principal import Principal, Role
from analytics_service.limits.gcra import LIMITS, LUA, Admission, Limit, admission, admit
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
        self._ahead_until: OrderedDict[str, int] = OrderedDict()

    async def admit(self, principal: Principal) -> Admission:
        limit = self._limits[principal.role]
        key = _key(principal)
        if self._redis is not None:
            try:
                ahead, wait = await self._redis.run(self._script, [key], [limit.interval, limit.tolerance])
                return admission(limit, ahead=ahead, wait=wait)
            except RedisUnavailable:
                pass  # counted in this process until Redis is back
        return self._admit_here(key, limit)

    def _admit_here(self, key: str, limit: Limit) -> Admission:
        admission_, self._ahead_until[key] = admit(limit, ahead_until=self._ahead_until.get(key, 0), now=self._clock())
        self._ahead_until.move_to_end(key)
        if len(self._ahead_until) > self._capacity:
            self._ahead_until.popitem(last=False)  # who asked longest ago starts anew
        return admission_


def _key(principal: Principal) -> str:
    """By organisation, subject and role; hashed, since names may hold any character."""
    parts = f"{principal.organisation}\0{principal.subject}\0{principal.role}"
    return f"analytics:limit:{sha256(parts.encode()).hexdigest()}"
