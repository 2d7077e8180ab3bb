"""Requests that Redis has counted already and this process may still admit, so that it is not asked for each.

What a lease holds is taken from the shared count before it is used: all replicas together never admit more than the
limit. What is not used within a second is lost to the principal, so that it may be refused early by at most one and a
half times `max_lease` requests a replica and second: the next lease is asked for when half of one is left. A lease
begins with one request, grows while each is used up in time, and shrinks to what was used when it was not: who asks
seldom loses nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from analytics_service.rate_limit.gcra import MICROSECONDS, Admission, Limit, admission

LEASE_MICROSECONDS: Final = MICROSECONDS
MAX_LEASE_SHARE: Final = 4
"""A lease holds at most this part of a second's rate."""

_MIN_PREFETCHED: Final = 8
"""Leases of so few are used up before anything could be asked."""

Key = tuple[str, ...]


@dataclass
class _Lease:
    left: int
    size: int
    until: int
    ahead_until: int
    """By the local clock, so that headers can go on counting."""


class Leases:
    """By principal; who asked longest ago is forgotten first."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._leases: OrderedDict[Key, _Lease] = OrderedDict()

    def take(self, key: Key, limit: Limit, *, now: int) -> Admission | None:
        """One of those that are left; None when there is none."""
        lease = self._leases.get(key)
        if lease is None or lease.left == 0 or now >= lease.until:
            return None
        lease.left -= 1
        return _admission(limit, lease, now)

    def next_size(self, key: Key, limit: Limit, *, now: int) -> int:
        """How many to ask for."""
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
        """Whether a lease will soon be used up, of one that is worth asking for before it is."""
        lease = self._leases.get(key)
        return lease is not None and lease.size > _MIN_PREFETCHED and lease.left < lease.size // 2

    def grant(self, key: Key, *, granted: int, ahead: int, now: int) -> None:
        """Keeps what was granted, beside what is left of a lease that was asked for anew before it was used up."""
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
    """What is left here is this process' to admit, but of the shared count it is gone."""
    unused = lease.left * limit.interval
    return admission(limit, ahead=max(lease.ahead_until - now - unused, 0), wait=0)
