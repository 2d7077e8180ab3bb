"""The rates of every model of the price list, compared with what the package itself computes."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider

from analytics_service.pricing.genai import PriceList
from analytics_service.pricing.rates import PLACES, cost
from analytics_service.pricing.sources import Lookup

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
TIERS = {"": {}, "batch": {"processing": "batch"}, "flex": {"service_tier": "flex"}}
ALL = [(provider, model) for provider in get_snapshot().providers for model in provider.models]


class Known(PriceList):
    """Has one model, so that no name has to be looked for."""

    def __init__(self, provider: Provider, model: ModelInfo) -> None:
        super().__init__()
        self._models["", ""] = (provider, model)


def usages(seed: str) -> list[dict[str, int]]:
    generator = random.Random(seed)
    made = []
    for prompt in (0, 1, 1000, 128_000, 128_001, 200_000, 200_001, 1_000_000):
        row = {"prompt_tokens": prompt, "completion_tokens": generator.choice([0, 1, 777, 100_000])}
        for column, share in (("cached_tokens", 2), ("cache_write_5m_tokens", 4), ("audio_input_tokens", 8)):
            if generator.random() < 0.5:
                row[column] = prompt // share
        if generator.random() < 0.5:
            row["reasoning_tokens"] = row["completion_tokens"] // 3
        made.append(row)
    return made


def by_the_package(provider: Provider, model: ModelInfo, row: dict[str, int], tier: str) -> Decimal:
    usage = Usage(
        input_tokens=row["prompt_tokens"],
        output_tokens=row["completion_tokens"],
        cache_read_tokens=row.get("cached_tokens"),
        cache_write_tokens=row.get("cache_write_5m_tokens"),
        cache_write_5m_tokens=row.get("cache_write_5m_tokens"),
        input_audio_tokens=row.get("audio_input_tokens"),
        output_reasoning_tokens=row.get("reasoning_tokens"),
        # what our rows do not say is none of it, as the package wants to be told where prices need it
        cache_audio_read_tokens=0,
    )
    price = model.calc_price(usage, provider, genai_request_timestamp=AT, price_context=TIERS[tier])
    return price.total_price.quantize(PLACES)


def test_costs_are_those_of_the_package() -> None:
    compared = 0
    for provider, model in ALL:
        prices = Known(provider, model)
        for tier in TIERS:
            tiers = prices.tiers(Lookup("", "", "", tier, AT))
            if tiers is None:
                continue
            for row in usages(model.id):
                computed = cost(row, tiers.at(row["prompt_tokens"]))
                if computed is None or not computed.complete:
                    continue  # where the package takes nothing for what it has no price for
                assert computed.total == by_the_package(provider, model, row, tier), (provider.id, model.id, tier, row)
                compared += 1
    assert compared > 10_000


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        pytest.param("openai", "tts-1", "", id="by the character alone"),
        pytest.param("openai", "moderation", "", id="a list without a price"),
        pytest.param("github-copilot", "gpt-4o", "", id="a subscription"),
        pytest.param("openai", "gpt-4o", "scale", id="an unknown tier"),
        pytest.param("deepseek", "deepseek-chat", "batch", id="a tier that the model does not have"),
        pytest.param("openai", "no-such-model", "", id="an unknown model"),
        pytest.param("", "deepseek/deepseek-chat-v3.1:free", "", id="free elsewhere"),
        pytest.param("azure", "eu/gpt-4o", "", id="a data zone"),
    ],
)
def test_what_the_list_cannot_price_has_no_price(provider: str, model: str, tier: str) -> None:
    tiers = PriceList().tiers(Lookup("acme", provider, model, tier, AT))
    assert tiers is None or cost({"prompt_tokens": 10, "completion_tokens": 10}, tiers.at(10)) is None


@pytest.mark.parametrize("model", ["azure/global/gpt-4o", "azure/global-standard/gpt-4o-2024-11-20", "global/gpt-4o"])
def test_a_global_deployment_of_azure_costs_what_the_list_says(model: str) -> None:
    prices = PriceList()
    assert prices.tiers(Lookup("acme", "azure", model, "", AT)) == prices.tiers(
        Lookup("acme", "azure", "gpt-4o", "", AT)
    )


def test_a_model_that_is_free_costs_nothing() -> None:
    tiers = PriceList().tiers(Lookup("acme", "openrouter", "meta-llama/llama-3.3-70b-instruct:free", "", AT))
    assert tiers is not None
    computed = cost({"prompt_tokens": 10, "completion_tokens": 10}, tiers.at(10))
    assert computed is not None
    assert (computed.total, computed.complete) == (Decimal(0), True)


def test_prices_change_with_time() -> None:
    prices, row = PriceList(), {"prompt_tokens": 1_000_000, "completion_tokens": 0}

    def total(moment: datetime) -> Any:
        tiers = prices.tiers(Lookup("acme", "openai", "o3", "", moment))
        computed = cost(row, tiers.at(1)) if tiers else None
        return computed and computed.total

    assert (total(datetime(2025, 5, 1, tzinfo=UTC)), total(datetime(2025, 7, 1, tzinfo=UTC))) == (10, 2)


def test_output_that_may_be_images_is_a_lower_bound() -> None:
    tiers = PriceList().tiers(Lookup("acme", "google", "gemini-2.5-flash-image", "", AT))
    assert tiers is not None
    computed = cost({"prompt_tokens": 10, "completion_tokens": 1290}, tiers.at(10))
    assert computed is not None
    assert not computed.complete
