"""The cost of a request by a price list, in exact decimals. A model without a price has no cost, and is counted.

A request that came with its cost keeps it. `price_status` says of every request which it is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.ingest.values import COST_LIMIT
from analytics_service.pricing.columns import PriceStatus
from analytics_service.pricing.genai import PriceList
from analytics_service.pricing.rates import COMPLETION, OTHER, PROMPT, Tiers, cost
from analytics_service.pricing.sources import Lookup, PriceSource, make_room

_AMOUNTS: Final = ("prompt_tokens", "completion_tokens", *PROMPT, *COMPLETION, *OTHER)
_Key: TypeAlias = tuple[str, str, str, str]
"""Organisation, provider, model and tier."""
_UNSEEN: Final = ("", Tiers((), ()))
_GIVEN, _FULL, _PARTIAL, _NONE = (each.value for each in PriceStatus)
"""As plain text: a member of an enumeration costs a microsecond to encode, a tenth of all that is done to a row."""


class Reason(StrEnum):
    """Why a request has no price, or not for all that it used."""

    NO_MODEL = "no model"
    UNKNOWN_MODEL = "unknown model"
    NO_USAGE = "no usage"
    USAGE_IN_PART = "prompt or completion tokens are not known"
    UNCLEAR_USAGE = "unclear usage"
    UNKNOWN_TIER = "no price for its tier"
    NO_RATE = "no price for what it used"


class Unpriced(NamedTuple):
    provider: str
    model: str
    reason: Reason


def has_cost(row: SpanRow) -> bool:
    """Whether it came with a cost of any kind."""
    return "total_cost_usd" in row or "prompt_cost_usd" in row or "completion_cost_usd" in row


@dataclass
class Prices:
    """Prices rows, and counts those that it cannot price."""

    sources: Sequence[PriceSource] = field(default_factory=lambda: (PriceList(),))
    """The first that has a price for a model gives it."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Model to the one whose price it has, as deployments of Azure."""
    priced: int = 0
    unpriced: Counter[Unpriced] = field(default_factory=Counter)
    """Requests, also those with a price for a part of what they used."""
    unpriced_tokens: Counter[Unpriced] = field(default_factory=Counter)
    _constant: dict[_Key, tuple[str, Tiers] | None] = field(default_factory=dict)
    """Prices that are the same at every moment."""
    _changing: dict[_Key, None] = field(default_factory=dict)
    """What has other prices at other moments."""

    def add(self, row: SpanRow) -> None:
        """Fills in the costs of a request that has none of its own, and its `price_status`."""
        if not row["is_request"]:
            return
        is_given = has_cost(row)
        reason = self.apply(row)
        if reason is not None:
            self._count(row, reason)
        elif not is_given:
            self.priced += 1

    def apply(self, row: SpanRow) -> Reason | None:
        """As `add`, but counts nothing: returns why a request has no price, or not for all that it used."""
        if not row["is_request"]:
            return None
        return self._given(row) if has_cost(row) else self._fill(row)

    def price(self, row: SpanRow) -> None:
        """Fills in the costs of a request that has none of its own, as `add` does, and counts nothing."""
        self._fill(row)

    def taken(self) -> "Prices":
        """Its counts alone; it counts from zero again."""
        taken = Prices(sources=(), priced=self.priced, unpriced=self.unpriced, unpriced_tokens=self.unpriced_tokens)
        self.priced, self.unpriced, self.unpriced_tokens = 0, Counter(), Counter()
        return taken

    def count(self, others: "Prices") -> None:
        """Adds the counts of others."""
        self.priced += others.priced
        self.unpriced.update(others.unpriced)
        self.unpriced_tokens.update(others.unpriced_tokens)

    def _count(self, row: SpanRow, reason: Reason) -> None:
        unpriced = Unpriced(row["provider"], row["model"], reason)
        self.unpriced[unpriced] += 1
        self.unpriced_tokens[unpriced] += row.get("total_tokens") or 0

    def _given(self, row: SpanRow) -> Reason | None:
        if "total_cost_usd" in row:
            row["price_status"] = _GIVEN
            return None
        # one side alone: the other cost nothing only if there is nothing of it
        side, other = ("prompt_cost_usd", "completion_tokens")
        if side not in row:
            side, other = ("completion_cost_usd", "prompt_tokens")
        row["total_cost_usd"] = row[side]
        row["price_status"] = _PARTIAL if row.get(other) else _GIVEN
        return Reason.USAGE_IN_PART if row["price_status"] == _PARTIAL else None

    def _fill(self, row: SpanRow) -> Reason | None:
        """Why it has no price, or not for all of it; None where it has one."""
        if row["price_status"] == _NONE:  # by ingest/rows.py, which read its usage
            return Reason.UNCLEAR_USAGE
        row["price_status"] = _NONE
        model = row["model"]
        if not model:
            return Reason.NO_MODEL
        key = (row["org_id"], row["provider"], model, row.get("service_tier", ""))
        price = self._constant.get(key, _UNSEEN)
        if price is _UNSEEN:
            price = self._price(row["ts"], *key)
        if price is None:
            return self._unknown(row["ts"], *key)
        version, tiers = price
        computed = cost(row, tiers.at(_prompt_tokens(row)) if tiers.bounds else tiers.rates[0])
        if computed is None:
            return Reason.NO_RATE if any(row.get(amount) for amount in _AMOUNTS) else Reason.NO_USAGE
        if computed.total >= COST_LIMIT:
            raise BadRow(f"total_cost_usd: the price is not below {COST_LIMIT}")
        if computed.prompt is not None:
            row["prompt_cost_usd"] = computed.prompt
        if computed.completion is not None:
            row["completion_cost_usd"] = computed.completion
        row["total_cost_usd"] = computed.total
        row["price_version"] = version
        if computed.complete:
            row["price_status"] = _FULL
            return None
        row["price_status"] = _PARTIAL
        return Reason.NO_RATE if "prompt_tokens" in row and "completion_tokens" in row else Reason.USAGE_IN_PART

    def _price(self, moment: datetime, *key: *_Key) -> tuple[str, Tiers] | None:
        """The version of the first source that has a price, and the price; None where none has."""
        lookup = self._lookup(moment, *key)
        price = next(
            ((source.version, tiers) for source in self.sources if (tiers := source.tiers(lookup)) is not None), None
        )
        if key not in self._changing:
            if all(source.is_constant(lookup) for source in self.sources):
                make_room(self._constant)
                self._constant[key] = price
            else:
                make_room(self._changing)
                self._changing[key] = None
        return price

    def _unknown(self, moment: datetime, *key: *_Key) -> Reason:
        lookup = self._lookup(moment, *key)
        known = bool(lookup.service_tier) and any(source.knows(lookup) for source in self.sources)
        return Reason.UNKNOWN_TIER if known else Reason.UNKNOWN_MODEL

    def _lookup(self, moment: datetime, organisation: str, provider: str, model: str, service_tier: str) -> Lookup:
        return Lookup(organisation, provider, self.aliases.get(model, model), service_tier, moment)


def _prompt_tokens(row: SpanRow) -> int:
    """Of a sum of many requests those of the average one: a bound is below their mean just if it is below this."""
    tokens: int = row.get("prompt_tokens") or 0
    return -(-tokens // row["request_weight"]) if "request_weight" in row else tokens  # the next whole number
