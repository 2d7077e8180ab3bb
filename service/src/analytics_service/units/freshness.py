"""How fresh an answer is: every duration that decides it, in one place (docs/decisions/0014)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """An answer is at most `max_age_seconds` behind the rows."""

    version_seconds: float = 1.0
    """A version of an organisation's rows is used for so long before the database is asked for it again."""
    stale_seconds: float = 1.0
    """An answer of an expired version is still given for so long while its successor is computed."""
    stale_probe_seconds: float = 0.02
    """One replayed request in so long goes through the pipeline while its answer is stale, to have it recomputed."""
    open_ttl_seconds: int = 15
    """The longest TTL of an answer whose range reaches the open bucket."""
    open_bucket: timedelta = timedelta(minutes=1)
    """The bucket that is still being written: rows of so short a while ago may still arrive in order."""
    relative_step: timedelta = timedelta(seconds=15)
    """Relative times move on in such steps, so that equal questions have equal answers."""

    @property
    def max_age_seconds(self) -> float:
        return self.version_seconds + self.stale_seconds


FRESHNESS: Final = Freshness()
