"""The books of a plan, with all of their text: whoever applies it prices by what it was made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from analytics_service.errors import UsageError
from analytics_service.ingest.pricing import Prices
from analytics_service.pricing import genai
from analytics_service.pricing.book import read
from analytics_service.pricing.genai import PriceList
from analytics_service.pricing.sources import PriceSource


@dataclass(frozen=True, kw_only=True)
class Books:
    """Books in their order, and after them the list of the package."""

    texts: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Model to the one whose price it has."""
    price_list: str = genai.VERSION
    """The version of the package's list, which only the installed one has."""

    def prices(self) -> Prices:
        """UsageError where the installed list is another than the plan was made with."""
        if self.price_list != genai.VERSION:
            raise UsageError(f"the plan was made with {self.price_list}, and {genai.VERSION} is installed: plan again")
        sources: tuple[PriceSource, ...] = (*(read(text) for text in self.texts), PriceList())
        return Prices(sources=sources, aliases=self.aliases)

    def as_dict(self) -> dict[str, Any]:
        versions = [read(text).version for text in self.texts]
        return {
            "versions": [*versions, self.price_list],
            "texts": list(self.texts),
            "aliases": dict(sorted(self.aliases.items())),
            "price_list": self.price_list,
        }

    @classmethod
    def of_dict(cls, stored: dict[str, Any]) -> Self:
        return cls(texts=tuple(stored["texts"]), aliases=stored["aliases"], price_list=stored["price_list"])
