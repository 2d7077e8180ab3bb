"""Which rows a plan is about, as it was asked for. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from analytics_service.units.times import EARLIEST, LATEST


@dataclass(frozen=True, kw_only=True)
class Scope:
    organisations: tuple[str, ...] = ()
    """All where there is none; so it is with models."""
    models: tuple[str, ...] = ()
    start: datetime = EARLIEST
    end: datetime = LATEST
    """Exclusive."""
    only_unpriced: bool = False
    """Leaves out requests whose cost is known in full."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "organisations": sorted(self.organisations),
            "models": sorted(self.models),
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "only_unpriced": self.only_unpriced,
        }

    @classmethod
    def of_dict(cls, stored: dict[str, Any]) -> Self:
        return cls(
            organisations=tuple(stored["organisations"]),
            models=tuple(stored["models"]),
            start=datetime.fromisoformat(stored["from"]),
            end=datetime.fromisoformat(stored["to"]),
            only_unpriced=stored["only_unpriced"],
        )
