"""What every list of prices offers, whether it is the package's or one's own."""

from datetime import datetime
from typing import NamedTuple, Protocol

from analytics_service.pricing.rates import Tiers


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
