"""A rate limit: how many requests a principal may make a minute, and how many at once. Pure."""

from dataclasses import dataclass
from typing import Final

_MINUTE_MICROSECONDS: Final = 60_000_000
MAX_PER_MINUTE: Final = 1_000_000
"""Of a limit that somebody chooses, as of its burst."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    per_minute: int
    burst: int

    @property
    def interval(self) -> int:
        """Microseconds that one request costs."""
        return _MINUTE_MICROSECONDS // self.per_minute

    @property
    def tolerance(self) -> int:
        """How far ahead of its rate a principal may be."""
        return self.interval * self.burst
