"""Rates by the price list of the `genai-prices` package. No network, and no price that the list does not have."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, TieredPrices
from typing_extensions import override

from analytics_service.pricing.model_names import references
from analytics_service.pricing.rates import Kind, Rates, Tiers, rates
from analytics_service.pricing.sources import Lookup, make_room

VERSION: Final = f"genai-prices {genai_prices.__version__}"
"""Stored with every cost that was computed by it."""
_FREE: Final = ":free"
"""How OpenRouter's names of models end that cost nothing: only there is a price of zero a price."""

_PRICES: Final[Mapping[Kind, tuple[tuple[str, ...], int]]] = MappingProxyType(
    {
        Kind.INPUT: (("input_mtok",), 1_000_000),
        Kind.CACHE_READ: (("cache_read_mtok", "input_mtok"), 1_000_000),
        Kind.CACHE_WRITE_5M: (("cache_write_mtok", "input_mtok"), 1_000_000),
        Kind.CACHE_WRITE_1H: (("cache_write_1h_mtok", "input_mtok"), 1_000_000),
        Kind.AUDIO_INPUT: (("input_audio_mtok", "input_mtok"), 1_000_000),
        Kind.OUTPUT: (("output_mtok",), 1_000_000),
        Kind.REASONING: (("output_reasoning_mtok", "output_mtok"), 1_000_000),
        Kind.AUDIO_OUTPUT: (("output_audio_mtok", "output_mtok"), 1_000_000),
        Kind.WEB_SEARCHES: (("web_searches_kcount",), 1_000),
        Kind.AUDIO_SECONDS: (("audio_hours", "input_audio_hours"), 3_600),
    }
)
"""The prices of the list that a kind is charged by, the first that a model has, and for how many they are.

What has no price of its own is charged as what it is a part of, as the package does; but writes to the cache that are
kept for an hour, where the list knows only those of five minutes, have no price.
"""
_MODALITIES: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.INPUT: ("input_mtok", "input_image_mtok", "input_video_mtok"),
        Kind.OUTPUT: ("output_mtok", "output_image_mtok", "output_video_mtok"),
    }
)
"""Where a model charges these otherwise than text, a row does not tell how much of its tokens they are."""
_CONTEXT: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "fast": MappingProxyType({"service_tier": "fast", "speed": "fast"}),
        "batch": MappingProxyType({"processing": "batch"}),
        "flex": MappingProxyType({"service_tier": "flex"}),
        "priority": MappingProxyType({"service_tier": "priority"}),
    }
)
"""What the list calls the tiers of processing; the standard tier has no name."""


class PriceList:
    """Looks models up, and keeps what it found: the package takes a tenth of a millisecond for a request."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = {}
        self._tiers: dict[tuple[int, bool, str, tuple[int, ...]], tuple[ModelPrice, Tiers | None]] = {}

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return PriceList, ()

    @property
    def version(self) -> str:
        return VERSION

    def knows(self, lookup: Lookup) -> bool:
        return self._model(lookup.provider, lookup.model) is not None

    def tiers(self, lookup: Lookup) -> Tiers | None:
        _, provider, model, service_tier, moment = lookup
        known = self._model(provider, model)
        if known is None:
            return None
        info = known[1]
        standard = info.get_prices(moment)
        variants = _variants(info, moment, service_tier) if service_tier else []
        if service_tier and not variants:
            return None
        free = model.endswith(_FREE)
        if free and not info.id.endswith(_FREE):  # the same name without it is another model, or another offer
            return None
        key = (id(standard), free, service_tier, tuple(map(id, variants)))
        cached = self._tiers.get(key)
        if cached is None:  # the price is part of the value, so that no other ever has its id
            make_room(self._tiers)
            self._tiers[key] = cached = (standard, _tiers(standard, variants, free=free))
        return cached[1]

    def is_constant(self, lookup: Lookup) -> bool:
        known = self._model(lookup.provider, lookup.model)
        if known is None:
            return True
        variants = known[1].price_variants or () if lookup.service_tier else ()
        return isinstance(known[1].prices, ModelPrice) and all(each.constraint is None for each in variants)

    def _model(self, provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
        key = (provider, model)
        try:
            return self._models[key]
        except KeyError:  # threads share the cache, and another one may clear it at any moment
            make_room(self._models)
            found = self._models[key] = _find(provider, model)
            return found


def _find(provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
    snapshot = get_snapshot()
    for reference in references(provider, model):
        try:
            return snapshot.find_provider_model(reference.model, None, reference.provider or None, None)
        except LookupError:
            continue
    return None


def _variants(info: ModelInfo, moment: datetime, service_tier: str) -> list[PriceVariant]:
    context = _CONTEXT.get(service_tier, {})
    return [
        each
        for each in info.price_variants or ()
        if all(context.get(name) == value for name, value in each.when.items())
        and (each.constraint is None or each.constraint.active(moment))
    ]


def _tiers(standard: ModelPrice, variants: list[PriceVariant], *, free: bool) -> Tiers | None:
    prices: dict[str, Decimal | TieredPrices] = {}
    for source in (*(variant.prices for variant in variants), standard):
        for name, price in vars(source).items():
            if price is not None:
                prices.setdefault(name, price)
    if not any(_has_value(price) for price in prices.values()):
        return _FREE_OF_CHARGE if free else None
    bounds = sorted(
        {tier.start for price in prices.values() if isinstance(price, TieredPrices) for tier in price.tiers}
    )
    return Tiers(tuple(bounds), tuple(_rates(prices, bound) for bound in (0, *(bound + 1 for bound in bounds))))


_FREE_OF_CHARGE: Final = Tiers((), (rates(dict.fromkeys(_PRICES, Decimal(0))),))


def _has_value(price: Decimal | TieredPrices) -> bool:
    if isinstance(price, TieredPrices):
        return bool(price.base) or any(tier.price for tier in price.tiers)
    return bool(price)


def _rates(prices: Mapping[str, Decimal | TieredPrices], prompt_tokens: int) -> Rates:
    """For prompts of so many tokens. A zero beside other prices is one: some models charge for their input alone."""
    of: dict[Kind, Decimal] = {}
    for kind, (names, each) in _PRICES.items():
        name = next((name for name in names if name in prices), None)
        if name is None or (kind is Kind.CACHE_WRITE_1H and name == "input_mtok" and "cache_write_mtok" in prices):
            continue
        of[kind] = _at(prices[name], prompt_tokens) / each
    per_thousand = prices.get("requests_kcount")
    request = _at(per_thousand, prompt_tokens) / 1_000 if per_thousand is not None else Decimal(0)
    unknown = frozenset(side for side, names in _MODALITIES.items() if _differs(prices, *names))
    return replace(rates(of, request), open_sides=unknown)


def _differs(prices: Mapping[str, Decimal | TieredPrices], text: str, *others: str) -> bool:
    return any(prices[other] != prices.get(text) for other in others if other in prices)


def _at(price: Decimal | TieredPrices, prompt_tokens: int) -> Decimal:
    if not isinstance(price, TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if prompt_tokens > tier.start), price.base)
