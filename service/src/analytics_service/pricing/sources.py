"""What every list of prices offers, whether it is the package's or one's own."""

from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from analytics_service.pricing.rates import Tiers

MAX_CACHED: Final = 10_000
"""Of what is looked up by names that come with rows."""


def make_room(cache: MutableMapping[Any, Any]) -> None:
    """Before one more is cached: where there are MAX_CACHED, all are looked up again."""
    if len(cache) >= MAX_CACHED:
        cache.clear()


class Lookup(NamedTuple):
    """A model at a moment."""

    organisation: str
    provider: str
    model: str
    service_tier: str
    moment: datetime


class PriceSource(Protocol):
    @property
    def version(self) -> str:
        """Stored with every cost that was computed by it: the proof of what it was."""
        ...

    def knows(self, lookup: Lookup) -> bool:
        """Whether it has the model, at whatever tier."""
        ...

    def tiers(self, lookup: Lookup) -> Tiers | None:
        """What the model charged at that moment; None where the source has no price for it, or none of that tier."""
        ...

    def is_constant(self, lookup: Lookup) -> bool:
        """Whether `tiers` is the same at every moment."""
        ...
