"""The cost of a request by the price list of the `genai-prices` package, in exact decimals. No network, no guess.

A model that the list does not know has no cost, and is counted. A request that came with its cost keeps it.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

import genai_prices
from genai_prices import Usage
from genai_prices.types import ModelInfo, ModelPrice, PriceCalculation, Provider

from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.ingest.values import COST_LIMIT

VERSION: Final = f"genai-prices {genai_prices.__version__}"
"""Kept with every cost that was computed here."""
_PLACES: Final = Decimal("1E-12")
_CONTEXT: Final = Context(prec=40, rounding=ROUND_HALF_EVEN)
_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class _Rates:
    """US dollars for a token, of a price without tiers, extras or a part for each request."""

    prompt: Decimal
    completion: Decimal
    exact: bool
    """Their products have no more decimal places than are stored."""


@dataclass
class Prices:
    """Prices rows, and remembers which models have no price and what the others cost per token."""

    priced: int = 0
    unpriced: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows by provider and model."""
    _models: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = field(default_factory=dict)
    _rates: dict[int, tuple[ModelPrice, _Rates | None]] = field(default_factory=dict)

    def add(self, row: SpanRow) -> None:
        """Fills in the costs of a request that has tokens and a model and no cost of its own."""
        if not (row["is_request"] and row["model"] and "prompt_tokens" in row and "completion_tokens" in row):
            return
        if "total_cost_usd" in row or "prompt_cost_usd" in row or "completion_cost_usd" in row:
            return
        priced = self._model(row["provider"], row["model"], row["ts"])
        costs = self._costs(priced, row) if priced is not None else None
        if costs is None:
            self.unpriced[row["provider"], row["model"]] += 1
            return
        row["prompt_cost_usd"], row["completion_cost_usd"], row["total_cost_usd"] = costs
        row["price_version"] = VERSION
        self.priced += 1

    def _model(self, provider: str, model: str, moment: datetime) -> tuple[Provider, ModelInfo] | None:
        key = (provider, model)
        if key not in self._models:
            try:
                found = genai_prices.calc_price(
                    Usage(input_tokens=1, output_tokens=1),
                    model,
                    provider_id=provider or None,
                    genai_request_timestamp=moment,
                )
            except (LookupError, ValueError):
                self._models[key] = None
            else:
                self._models[key] = (found.provider, found.model)
        return self._models[key]

    def _costs(self, priced: tuple[Provider, ModelInfo], row: SpanRow) -> tuple[Decimal, Decimal, Decimal] | None:
        provider, model = priced
        price = model.get_prices(row["ts"])
        rates = self._rates_of(price, provider, model, row["ts"]) if not row.get("cached_tokens") else None
        if rates is not None:
            prompt = rates.prompt * row["prompt_tokens"]
            completion = rates.completion * row["completion_tokens"]
            total = prompt + completion
            return (
                (prompt, completion, total) if rates.exact and total < COST_LIMIT else _exact(prompt, completion, total)
            )
        try:
            computed = _computed(provider, model, row)
        except ValueError as error:  # more tokens from the cache than there are
            raise BadRow(f"cached_tokens: {error}") from None
        return _exact(computed.input_price, computed.output_price, computed.total_price)

    def _rates_of(self, price: ModelPrice, provider: Provider, model: ModelInfo, moment: datetime) -> _Rates | None:
        """The rates, when two tokens cost twice as much as one at any number of them; asked of the package itself.

        The package takes a tenth of a millisecond for each request, which is more than all else that is done to a row.
        """
        known = self._rates.get(id(price))
        if known is None or known[0] is not price:
            self._rates[id(price)] = known = (price, _rates(price, provider, model, moment))
        return known[1]


def _rates(price: ModelPrice, provider: Provider, model: ModelInfo, moment: datetime) -> _Rates | None:
    if not all(isinstance(value, Decimal) for value in vars(price).values() if value is not None):
        return None
    prompt = model.calc_price(Usage(input_tokens=_MILLION), provider, genai_request_timestamp=moment)
    completion = model.calc_price(Usage(output_tokens=_MILLION), provider, genai_request_timestamp=moment)
    only_tokens = prompt.total_price == prompt.input_price and completion.total_price == completion.output_price
    if not only_tokens:
        return None
    each = (prompt.input_price / _MILLION, completion.output_price / _MILLION)
    return _Rates(*each, exact=all(one == one.quantize(_PLACES, context=_CONTEXT) for one in each))


def _computed(provider: Provider, model: ModelInfo, row: SpanRow) -> PriceCalculation:
    usage = Usage(
        input_tokens=row["prompt_tokens"],
        output_tokens=row["completion_tokens"],
        cache_read_tokens=row.get("cached_tokens"),
    )
    return model.calc_price(usage, provider, genai_request_timestamp=row["ts"])


def _exact(prompt: Decimal, completion: Decimal, total: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Twelve places, half to even; BadRow when it is more than can be stored."""
    if total >= COST_LIMIT:
        raise BadRow(f"total_cost_usd: the price is not below {COST_LIMIT}")
    return (
        prompt.quantize(_PLACES, context=_CONTEXT),
        completion.quantize(_PLACES, context=_CONTEXT),
        total.quantize(_PLACES, context=_CONTEXT),
    )
