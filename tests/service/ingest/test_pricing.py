import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices import Usage

from analytics_service.ingest.pricing import VERSION, Prices
from analytics_service.ingest.rows import BadRow

AT = datetime(2023, 11, 16, tzinfo=UTC)


def row(**fields: Any) -> dict[str, Any]:
    made = {"is_request": True, "provider": "openai", "model": "gpt-4", "ts": AT}
    return {**made, "prompt_tokens": 1000, "completion_tokens": 10, **fields}


def priced(**fields: Any) -> dict[str, Any]:
    made = row(**fields)
    Prices().add(made)
    return made


def test_a_request_costs_what_its_tokens_cost() -> None:
    made = priced()
    assert made["prompt_cost_usd"] == Decimal("0.03")
    assert made["completion_cost_usd"] == Decimal("0.0006")
    assert made["total_cost_usd"] == Decimal("0.0306")
    assert made["price_version"] == VERSION


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4"),
        ("openai", "gpt-3.5-turbo"),
        ("openai", "gpt-4o"),
        ("anthropic", "claude-3-5-sonnet-latest"),
        ("google", "gemini-2.5-pro"),
        ("deepseek", "deepseek-chat"),
    ],
)
def test_costs_are_those_of_the_package(provider: str, model: str) -> None:
    generator, prices = random.Random(model), Prices()
    for _ in range(50):
        prompt, completion = generator.choice([0, 1, 999, 200_001, 10**6]), generator.randrange(10**5)
        cached = generator.choice([None, 0, prompt // 2])
        at = datetime(2025, 1, 1, generator.randrange(24), tzinfo=UTC)
        made = row(provider=provider, model=model, ts=at, prompt_tokens=prompt, completion_tokens=completion)
        if cached is not None:
            made["cached_tokens"] = cached
        prices.add(made)
        usage = Usage(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
        alone = genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
        places = Decimal("1E-12")
        assert made["total_cost_usd"] == alone.total_price.quantize(places)
        assert made["prompt_cost_usd"] == alone.input_price.quantize(places)
        assert made["completion_cost_usd"] == alone.output_price.quantize(places)


def test_an_unknown_model_has_no_cost_and_is_counted() -> None:
    prices = Prices()
    for model in ("own-model", "own-model", "gpt-4"):
        prices.add(row(model=model))
    assert (prices.priced, dict(prices.unpriced)) == (1, {("openai", "own-model"): 2})


def test_a_cost_that_came_with_the_request_stays() -> None:
    made = priced(total_cost_usd=Decimal("0.5"))
    assert (made["total_cost_usd"], made.get("price_version")) == (Decimal("0.5"), None)


@pytest.mark.parametrize("fields", [{"is_request": False}, {"model": ""}])
def test_what_is_no_priced_request_gets_no_cost(fields: dict[str, Any]) -> None:
    assert priced(**fields).get("total_cost_usd") is None


def test_tokens_that_are_not_known_have_no_price() -> None:
    made = row()
    del made["completion_tokens"]
    Prices().add(made)
    assert "total_cost_usd" not in made


def test_more_cached_tokens_than_tokens_is_a_bad_row() -> None:
    with pytest.raises(BadRow, match="cached_tokens"):
        priced(model="gpt-4o", cached_tokens=5000)


def test_a_price_beyond_what_can_be_stored_is_a_bad_row() -> None:
    with pytest.raises(BadRow, match="total_cost_usd"):
        priced(prompt_tokens=2**62)
