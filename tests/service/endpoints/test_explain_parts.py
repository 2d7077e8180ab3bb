"""Parts of a change add up to it, to the last digit, and are those of every order of the factors on average."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import permutations
from math import factorial, prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.endpoints.costs.explain import answer, decomposition, shapley
from analytics_service.endpoints.costs.explain.decomposition import Model
from analytics_service.endpoints.costs.explain.factors import ModelUsage, Part
from analytics_service.endpoints.costs.explain.shapley import Factor
from analytics_service.endpoints.costs.sums import COLUMNS
from analytics_service.pricing.rates import COMPLETION, PROMPT, Kind, Rates, rates

MODEL, OTHER = ("openai", "gpt-4o", ""), ("anthropic", "claude", "")
RATES = rates(
    {
        Kind.INPUT: Decimal("0.000003"),
        Kind.CACHE_READ: Decimal("0.0000003"),
        Kind.CACHE_WRITE_5M: Decimal("0.00000375"),
        Kind.AUDIO_INPUT: Decimal("0.00003"),
        Kind.OUTPUT: Decimal("0.000015"),
    }
)


def counts(longest: int = 10**12) -> st.SearchStrategy[Decimal]:
    return st.integers(0, longest).map(Decimal)


def money() -> st.SearchStrategy[Decimal]:
    """To the last digit that the store has."""
    return st.integers(0, 10**24).map(lambda number: Decimal(number).scaleb(-12))


@st.composite
def usages(draw: st.DrawFn) -> ModelUsage:
    """Whatever rows may hold: also costs without tokens, tokens without costs, and kinds that contradict the sums."""
    requests = draw(counts(10**9))
    if not draw(st.booleans()) or not requests:
        return ModelUsage(requests=requests)
    return ModelUsage(
        requests=requests,
        priced=Decimal(draw(st.integers(1, int(requests)))),
        cost=draw(money()),
        prompt_cost=draw(money() | st.just(Decimal(0))),
        completion_cost=draw(money() | st.just(Decimal(0))),
        prompt_tokens=draw(counts() | st.just(Decimal(0))),
        completion_tokens=draw(counts() | st.just(Decimal(0))),
        total_tokens=draw(counts() | st.just(Decimal(0))),
        kinds={kind: draw(counts()) for kind in draw(st.sets(st.sampled_from(Kind), max_size=3))},
    )


PAIRS = st.dictionaries(
    st.tuples(st.sampled_from(["openai", "aws"]), st.sampled_from("abc"), st.just("")),
    st.tuples(usages(), usages()),
    max_size=5,
)


@given(PAIRS, st.booleans())
def test_parts_add_up_to_the_change_to_the_last_digit(
    pairs: Mapping[Model, tuple[ModelUsage, ModelUsage]],
    is_rated: bool,  # noqa: FBT001 - as drawn
) -> None:
    parts = decomposition.parts(pairs, dict.fromkeys(pairs, RATES if is_rated else None))
    change = sum((Fraction(after.cost) - Fraction(before.cost) for before, after in pairs.values()), Fraction(0))
    assert sum(map(Fraction, parts.values()), Fraction(0)) == change
    assert all(Fraction(value) * 10**12 % 1 == 0 for value in parts.values())


@given(PAIRS)
def test_the_way_back_has_the_same_parts_with_the_other_sign(
    pairs: Mapping[Model, tuple[ModelUsage, ModelUsage]],
) -> None:
    there = decomposition.parts(pairs, dict.fromkeys(pairs, RATES))
    back = decomposition.parts(
        {model: (after, before) for model, (before, after) in pairs.items()}, dict.fromkeys(pairs, RATES)
    )
    assert all(abs(back[part] + value) <= Decimal("1e-11") for part, value in there.items())  # both are rounded


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5))
def test_values_are_the_mean_over_all_orders(factors: list[tuple[int, int]]) -> None:
    """Witness: each order is walked, and each step belongs to the factor that changes in it."""
    product = {number: Factor(Decimal(before), Decimal(after)) for number, (before, after) in enumerate(factors)}
    expected = dict.fromkeys(product, Fraction(0))
    for order in permutations(product):
        state = [before for before, _ in factors]
        for number in order:
            previous = prod(state)
            state[number] = factors[number][1]
            expected[number] += Fraction(prod(state) - previous, factorial(len(factors)))
    with localcontext(prec=60):
        values = shapley.values(product)
    for number, wanted in expected.items():
        assert abs(Fraction(values.get(number, Decimal(0))) - wanted) < Fraction(1, 10**30)


def usage(requests: int, **changes: Any) -> ModelUsage:
    """A thousand tokens of the prompt and a hundred of the completion a request, by RATES."""
    prompt, completion = Decimal(1000) * requests, Decimal(100) * requests
    usual = {
        "requests": Decimal(requests),
        "priced": Decimal(requests),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_cost": prompt * RATES.of[Kind.INPUT],
        "completion_cost": completion * RATES.of[Kind.OUTPUT],
    }
    whole: dict[str, Any] = usual | changes
    return ModelUsage(**{"cost": whole["prompt_cost"] + whole["completion_cost"], **whole})


USUAL = usage(10)
DOUBLE_TOKENS = {name: getattr(USUAL, name) * 2 for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
DOUBLE_COSTS = {name: getattr(USUAL, name) * 2 for name in ("prompt_cost", "completion_cost")}
CACHED = {
    "kinds": {Kind.CACHE_READ: Decimal(8000)},
    "prompt_cost": Decimal(2000) * RATES.of[Kind.INPUT] + Decimal(8000) * RATES.of[Kind.CACHE_READ],
}
SPOKEN = {
    "kinds": {Kind.AUDIO_INPUT: Decimal(5000)},
    "prompt_cost": Decimal(5000) * RATES.of[Kind.INPUT] + Decimal(5000) * RATES.of[Kind.AUDIO_INPUT],
}


@pytest.mark.parametrize(
    ("after", "part"),
    [
        (usage(20), Part.VOLUME),
        (usage(10, **DOUBLE_TOKENS, **DOUBLE_COSTS), Part.TOKENS_PER_REQUEST),
        (usage(10, **DOUBLE_COSTS), Part.PRICE),
        (usage(10, **CACHED), Part.CACHE),
        (usage(10, **SPOKEN), Part.TOKEN_KINDS),
        (usage(10, cost=USUAL.cost + 1), Part.OTHER_CHARGES),
    ],
    ids=str,
)
def test_a_change_of_one_factor_is_all_its_own(after: ModelUsage, part: Part) -> None:
    parts = decomposition.parts({MODEL: (USUAL, after)}, {MODEL: RATES})
    assert {name: value for name, value in parts.items() if value} == {part: after.cost - USUAL.cost}


def test_another_model_is_mix_and_one_that_is_new_has_no_other_part() -> None:
    dear = usage(10, **DOUBLE_COSTS)
    moved = decomposition.parts({MODEL: (USUAL, ModelUsage()), OTHER: (ModelUsage(), dear)}, {})
    assert {name: value for name, value in moved.items() if value} == {Part.MODEL_MIX: dear.cost - USUAL.cost}
    first = decomposition.parts({OTHER: (ModelUsage(), dear)}, {})
    assert {name: value for name, value in first.items() if value} == {Part.VOLUME: dear.cost}


def test_requests_that_lose_their_price_are_coverage_and_no_volume() -> None:
    half = replace(usage(5), requests=Decimal(10))
    parts = decomposition.parts({MODEL: (USUAL, half)}, {MODEL: RATES})
    assert {name: value for name, value in parts.items() if value} == {Part.COVERAGE: half.cost - USUAL.cost}


def test_completions_instead_of_prompts_are_kinds_of_tokens() -> None:
    prompt, completion = Decimal(5000), Decimal(6000)
    after = usage(
        10,
        prompt_tokens=prompt,
        completion_tokens=completion,
        prompt_cost=prompt * RATES.of[Kind.INPUT],
        completion_cost=completion * RATES.of[Kind.OUTPUT],
    )
    parts = decomposition.parts({MODEL: (USUAL, after)}, {MODEL: RATES})
    assert {name: value for name, value in parts.items() if value} == {Part.TOKEN_KINDS: after.cost - USUAL.cost}


@pytest.mark.parametrize("known", [None, rates({Kind.OUTPUT: Decimal(1)})], ids=["no rates", "none of the prompt"])
def test_what_a_cache_saves_is_price_where_nobody_knows_its_rate(known: Rates | None) -> None:
    after = usage(10, **CACHED)
    parts = decomposition.parts({MODEL: (USUAL, after)}, {MODEL: known})
    assert {name: value for name, value in parts.items() if value} == {Part.PRICE: after.cost - USUAL.cost}


@pytest.mark.parametrize("has_tokens", [True, False])
def test_costs_that_came_without_their_sides_have_a_price_by_token_or_by_request(has_tokens: bool) -> None:  # noqa: FBT001 - as given
    """A total alone, as gateways log it."""
    tokens = {} if has_tokens else dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), Decimal(0))
    alone = {"prompt_cost": Decimal(0), "completion_cost": Decimal(0), **tokens}
    before, after = usage(10, cost=Decimal(2), **alone), usage(10, cost=Decimal(3), **alone)
    parts = decomposition.parts({MODEL: (before, after)}, {MODEL: RATES})
    assert {name: value for name, value in parts.items() if value} == {Part.PRICE: 1}
    if has_tokens:
        longer = usage(10, cost=Decimal(4), **alone | DOUBLE_TOKENS)
        parts = decomposition.parts({MODEL: (before, longer)}, {MODEL: RATES})
        assert {name: value for name, value in parts.items() if value} == {Part.TOKENS_PER_REQUEST: 2}


def test_a_change_has_all_digits_of_costs_that_have_more_than_decimals_usually_do() -> None:
    before, after = Decimal("12345678901234567890.123456789012"), Decimal("12345678901234567890.123456789013")
    rows = {MODEL: {"cost": before}}, {MODEL: {"cost": after}}
    empty = dict.fromkeys((*COLUMNS, "prompt_tokens", "completion_tokens", "total_tokens", *PROMPT, *COMPLETION))
    periods: dict[str, Any] = {
        period: {model: {**empty, "requests": Decimal(1), "priced": Decimal(1), **row} for model, row in models.items()}
        for period, models in zip(("before", "after"), rows, strict=True)
    }
    changed = answer.changed(periods, {})
    assert changed["change"] == changed["parts"]["price"] == Decimal("1e-12")
