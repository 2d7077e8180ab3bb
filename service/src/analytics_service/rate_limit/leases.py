"""Leases: requests that are counted in Redis in advance, so that this process admits them without asking it.

What a lease holds is taken from the shared count before it is used: all replicas together never admit more than the
limit. What is not used within a second is lost to the principal, so that it may be refused early by at most one and a
half times `max_lease` requests a replica and second: the next lease is asked for when half of one is left. A lease
begins with one request, grows while each is used up in time, and shrinks to what was used when it was not: who asks
seldom loses nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from analytics_service.contract.limit import Limit
from analytics_service.rate_limit.gcra import MICROSECONDS, Admission, admission

LEASE_MICROSECONDS: Final = MICROSECONDS
MAX_LEASE_SHARE: Final = 4
"""A lease holds at most this part of a second's rate."""

_MIN_PREFETCHED: Final = 8
"""Smaller leases are not prefetched: they are used up before a reply could arrive."""

Key = tuple[str, ...]


@dataclass
class _Lease:
    left: int
    size: int
    until: int
    ahead_until: int
    """By the local clock, for the headers of the responses."""


class Leases:
    """Leases by principal; the least recently used are evicted."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._leases: OrderedDict[Key, _Lease] = OrderedDict()

    def take(self, key: Key, limit: Limit, *, now: int, count: int = 1) -> Admission | None:
        """Admits `count` requests from the lease; None where it has not so many left, or is expired."""
        lease = self._leases.get(key)
        if lease is None or lease.left < count or now >= lease.until:
            return None
        lease.left -= count
        return _admission(limit, lease, now)

    def next_size(self, key: Key, limit: Limit, *, now: int) -> int:
        """Returns the size of the next lease."""
        lease = self._leases.get(key)
        if lease is None:
            return 1
        if lease.left and now >= lease.until:
            return max(lease.size - lease.left, 1)
        if now >= lease.until:
            return lease.size
        quickly = lease.until - now > LEASE_MICROSECONDS * 3 // 4
        return min(lease.size * (16 if quickly else 2), max_lease(limit))

    def is_low(self, key: Key) -> bool:
        """Whether the next lease should be prefetched."""
        lease = self._leases.get(key)
        return lease is not None and lease.size > _MIN_PREFETCHED and lease.left < lease.size // 2

    def grant(self, key: Key, *, granted: int, ahead: int, now: int) -> None:
        """Adds a granted lease to what is left of the one before."""
        before = self._leases.get(key)
        left = before.left if before and now < before.until else 0
        self._leases[key] = _Lease(
            left=left + granted, size=granted, until=now + LEASE_MICROSECONDS, ahead_until=now + ahead
        )
        self._leases.move_to_end(key)
        if len(self._leases) > self._capacity:
            self._leases.popitem(last=False)


def max_lease(limit: Limit) -> int:
    return max(limit.per_minute // 60 // MAX_LEASE_SHARE, 1)


def _admission(limit: Limit, lease: _Lease, now: int) -> Admission:
    """Returns the admission as the principal sees it: unused requests of the lease are still available."""
    unused = lease.left * limit.interval
    return admission(limit, ahead=max(lease.ahead_until - now - unused, 0), wait=0)
