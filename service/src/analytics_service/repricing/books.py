"""The books of a plan, with all of their text: whoever applies it prices by what it was made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from analytics_service.errors import UsageError
from analytics_service.ingest.pricing import Prices
from analytics_service.pricing import genai
from analytics_service.pricing.book import BadBook, read
from analytics_service.pricing.precedence import in_order, versions
from analytics_service.pricing.sources import PriceSource


@dataclass(frozen=True, kw_only=True)
class Books:
    levels: tuple[tuple[str, ...], ...] = ()
    """The texts of the books in the order in which they are asked; the list of the package is the last."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Model to the one whose price it has."""
    price_list: str = genai.VERSION
    """The version of the package's list, which only the installed one has."""

    def prices(self) -> Prices:
        """UsageError where the books of the plan are not those that this process can price by."""
        if self.price_list != genai.VERSION:
            raise UsageError(f"the plan was made with {self.price_list}, and {genai.VERSION} is installed: plan again")
        return Prices(sources=self._sources(), aliases=self.aliases)

    @property
    def versions(self) -> tuple[str, ...]:
        return versions(self._sources())

    def _sources(self) -> tuple[PriceSource, ...]:
        try:
            return in_order(*([read(text) for text in level] for level in self.levels))
        except BadBook as error:
            raise UsageError(f"a price book of the plan is refused by this release: {error}: plan again") from None

    def as_dict(self) -> dict[str, Any]:
        return {
            "levels": [list(level) for level in self.levels],
            "aliases": dict(sorted(self.aliases.items())),
            "price_list": self.price_list,
        }

    @classmethod
    def of_dict(cls, stored: dict[str, Any]) -> Self:
        levels = tuple(tuple(level) for level in stored["levels"])
        return cls(levels=levels, aliases=stored["aliases"], price_list=stored["price_list"])
