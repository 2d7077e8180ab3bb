"""The values of the columns `service_tier` and `price_status` of `traces`. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

_STANDARD_TIERS: Final = frozenset({"standard", "default", "auto", "on_demand", "on-demand", "on_demand_throughput"})


def service_tier(value: Any) -> str:
    """The tier of processing as it is stored: empty for the standard one, whatever it is called; ValueError."""
    if not isinstance(value, str):
        raise ValueError("is not text")  # noqa: TRY004 - bad input, whatever its type
    spelled = value.strip().lower()
    if len(spelled) > 64 or not spelled.isascii() or not spelled.isprintable():
        raise ValueError(f"{value[:40]!r} is not a tier: standard, batch, priority, flex, or a short name")
    return "" if spelled in _STANDARD_TIERS else spelled


COMPUTED_BY: Final = ("genai-prices ", "book ")
"""What a `price_version` of ours begins with: files may bring versions of their own."""
COMPUTED: Final = "(" + " OR ".join(f"{{0}}.price_version LIKE '{prefix}%'" for prefix in COMPUTED_BY) + ")"
"""SQL: whether the version of a row's cost is ours; NULL where it has none."""


def is_given(row: Mapping[str, Any]) -> bool:
    """Whether the cost that a row has came with it."""
    version = row.get("price_version")
    return row.get("price_status") == PriceStatus.GIVEN or version is None or not version.startswith(COMPUTED_BY)


class PriceStatus(StrEnum):
    """The values of the column `price_status` for requests; rows of releases before 0.4 have none."""

    GIVEN = "given"
    """The cost came with the request."""
    FULL = "full"
    PARTIAL = "partial"
    """Something that it used has no price: its cost is a lower bound."""
    NONE = "none"
