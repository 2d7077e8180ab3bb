from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.ingest.fields import DEFAULTS
from analytics_service.ingest.pricing import Prices, Reason, Unpriced
from analytics_service.ingest.rows import BadRow
from analytics_service.pricing.book import read
from analytics_service.pricing.genai import VERSION, PriceList
from analytics_service.pricing.sources import MAX_CACHED

AT = datetime(2023, 11, 16, tzinfo=UTC)


def row(**fields: Any) -> dict[str, Any]:
    made = {**DEFAULTS, "org_id": "acme", "is_request": True, "provider": "openai", "model": "gpt-4", "ts": AT}
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


def test_an_unknown_model_has_no_cost_and_is_counted() -> None:
    prices = Prices()
    for model in ("own-model", "own-model", "gpt-4"):
        prices.add(row(model=model))
    assert (prices.priced, dict(prices.unpriced)) == (1, {Unpriced("openai", "own-model", Reason.UNKNOWN_MODEL): 2})


def test_a_cost_that_came_with_the_request_stays() -> None:
    made = priced(total_cost_usd=Decimal("0.5"))
    assert (made["total_cost_usd"], made.get("price_version")) == (Decimal("0.5"), None)


def test_a_side_that_came_without_the_other_is_a_lower_bound() -> None:
    made = priced(prompt_cost_usd=Decimal("0.5"))
    assert (made["total_cost_usd"], made["price_status"]) == (Decimal("0.5"), "partial")
    made = priced(prompt_cost_usd=Decimal("0.5"), completion_tokens=0)
    assert (made["total_cost_usd"], made["price_status"]) == (Decimal("0.5"), "given")


def test_what_is_no_request_gets_no_cost_and_no_status() -> None:
    made = priced(is_request=False)
    assert (made.get("total_cost_usd"), made["price_status"]) == (None, "")


@pytest.mark.parametrize(
    ("fields", "reason", "total"),
    [
        pytest.param({"model": ""}, Reason.NO_MODEL, None, id="no model"),
        pytest.param({"model": "own-model"}, Reason.UNKNOWN_MODEL, None, id="unknown model"),
        pytest.param({"prompt_tokens": None, "completion_tokens": None}, Reason.NO_USAGE, None, id="no usage"),
        pytest.param({"completion_tokens": None}, Reason.USAGE_IN_PART, Decimal("0.03"), id="completion not known"),
        pytest.param({"price_status": "none"}, Reason.UNCLEAR_USAGE, None, id="unclear"),
        pytest.param({"service_tier": "scale"}, Reason.UNKNOWN_TIER, None, id="a tier without prices"),
        pytest.param({"web_searches": 2}, Reason.NO_RATE, Decimal("0.0306"), id="searches without price"),
        pytest.param({"model": "tts-1"}, Reason.NO_RATE, None, id="a price of characters is none of tokens"),
    ],
)
def test_a_reason_stands_for_what_has_no_price(fields: dict[str, Any], reason: Reason, total: Decimal | None) -> None:
    made = {name: value for name, value in row(**fields).items() if value is not None}
    prices = Prices()
    prices.add(made)
    assert list(prices.unpriced) == [Unpriced("openai", made["model"], reason)]
    assert made.get("total_cost_usd") == total
    assert made["price_status"] == ("none" if total is None else "partial")


def test_an_alias_has_the_price_of_another_model() -> None:
    made = row(provider="azure", model="team-chat")
    Prices(aliases={"team-chat": "gpt-4o"}).add(made)
    assert (made["model"], made["prompt_cost_usd"]) == ("team-chat", Decimal("0.0025"))


def test_a_price_beyond_what_can_be_stored_is_a_bad_row() -> None:
    with pytest.raises(BadRow, match="total_cost_usd"):
        priced(prompt_tokens=2**62)


TIERED = """
name: tiers
prices:
  - model: long
    per_million: {input: 1, output: 10}
    above: [{prompt_tokens: 1000, per_million: {input: 2, output: 20}}]
  - {model: painter, per_unit: {images: 0.04}, per_request: 0.001}
"""


@pytest.mark.parametrize(
    ("fields", "total"),
    [
        pytest.param({"request_weight": 3, "prompt_tokens": 3000, "completion_tokens": 0}, "0.003", id="at the bound"),
        pytest.param({"request_weight": 3, "prompt_tokens": 3001, "completion_tokens": 0}, "0.006002", id="above it"),
        pytest.param({"prompt_tokens": 3000, "completion_tokens": 0}, "0.006", id="one long request"),
        pytest.param(
            {"model": "painter", "prompt_tokens": 0, "completion_tokens": 0, "images": 8, "request_weight": 5},
            "0.325",
            id="by unit, and by request",
        ),
    ],
)
def test_a_sum_is_priced_by_its_average_request(fields: dict[str, Any], total: str) -> None:
    made = {**row(), "model": "long", **fields}
    Prices(sources=(read(TIERED),)).add(made)
    assert (made["total_cost_usd"], made["price_status"]) == (Decimal(total), "full")


def test_what_is_kept_of_the_names_of_models_is_bounded() -> None:
    book, listed = read("name: a\nprices: [{model: own, per_request: 1}]\n"), PriceList()
    prices = Prices(sources=(book, listed))
    for number in range(MAX_CACHED + 10):
        prices.add(row(model=f"m-{number}"))
    assert max(len(prices._constant), len(book._ranks), len(listed._models)) <= MAX_CACHED
    made = row()
    prices.add(made)
    assert made["total_cost_usd"] == Decimal("0.0306"), "whatever was forgotten"
