"""Rows of one span become one row, whatever the order in which they arrive."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.errors import UsageError
from analytics_service.ingest.conflicts import OnConflict, Resolved, resolve
from analytics_service.ingest.fields import DEFAULTS
from analytics_service.ingest.merge import merged, needs_price
from analytics_service.ingest.rows import BadRow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Row = dict[str, Any]


def price(row: Row) -> None:
    """A price list of one rate; unknown models have no price."""
    if row["model"] == "unknown" or not row["model"]:
        row["price_status"] = "none"
        return
    row["total_cost_usd"] = Decimal(row.get("prompt_tokens", 0) + 2 * row.get("completion_tokens", 0)) / 1000
    row["price_version"], row["price_status"] = "book list 1", "full"


def a_row(**values: Any) -> Row:
    """As import makes it, with the price that it gets there."""
    key = {"org_id": "acme", "trace_id": "t", "span_id": "s", "ts": NOON, "is_request": True}
    row = {**DEFAULTS, **key, **{name: value for name, value in values.items() if value is not None}}
    if "usage_unclear" in row.get("attributes", ""):
        row["price_status"] = "none"
    if "total_cost_usd" in row:
        row["price_status"] = "given" if row["is_request"] else ""
    elif needs_price(row):
        price(row)
    return row


def both(one: Row, other: Row) -> Row:
    row = merged(one, other)
    if needs_price(row):
        price(row)
    return row


texts = st.sampled_from(["", "a", "b", "bb"])
counts = st.none() | st.integers(0, 3)
rows = st.builds(
    a_row,
    ts=st.integers(0, 3).map(lambda hours: NOON + timedelta(hours=hours)),
    updated_at=st.none() | st.just(NOON) | st.just(NOON + timedelta(days=1)),
    model=st.sampled_from(["", "unknown", "gpt-4o"]),
    provider=texts,
    operation_type=texts,
    is_request=st.booleans(),
    status_code=st.sampled_from(["UNSET", "OK", "ERROR"]),
    user_id=st.none() | texts,
    output_text=st.none() | texts,
    prompt_tokens=counts,
    completion_tokens=counts,
    total_tokens=counts,
    cached_tokens=counts,
    images=counts,
    request_weight=st.none() | st.just(5),
    total_cost_usd=st.none() | st.integers(0, 2).map(Decimal),
    tags=st.none() | st.lists(texts, max_size=3, unique=True),
    attributes=st.none()
    | st.sampled_from(['{"a":1}', '{"a":2,"b":[]}', '{"usage_unclear":"x"}', '{"a":1,"usage_unclear":"y"}']),
)


def content(row: Row) -> Row:
    """Tags are a set, and an empty text says as little as none."""
    return {
        name: sorted(value) if name == "tags" else value for name, value in row.items() if value not in (None, "", [])
    }


@given(rows, rows, rows)
def test_the_order_of_three_rows_changes_nothing(one: Row, two: Row, three: Row) -> None:
    results = [content(both(both(a, b), c)) for a, b, c in permutations((one, two, three))]
    assert all(result == results[0] for result in results)
    assert content(both(one, both(two, three))) == results[0]


@given(rows, rows)
def test_a_row_that_comes_again_changes_nothing(one: Row, two: Row) -> None:
    assert content(both(one, one)) == content(one)
    once = both(one, two)
    assert content(both(once, one)) == content(once) == content(both(two, once))


@given(rows, rows)
def test_usage_is_never_a_mixture(one: Row, two: Row) -> None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "images")
    assert [both(one, two).get(name) for name in names] in [[each.get(name) for name in names] for each in (one, two)]


def test_what_is_present_and_larger_and_given_is_taken() -> None:
    partial = a_row(model="gpt-4o", prompt_tokens=100, total_tokens=100, user_id="u1", output_text="Hel", tags=["b"])
    complete = a_row(
        prompt_tokens=100,
        completion_tokens=20,
        total_tokens=120,
        output_text="Hello",
        status_code="OK",
        tags=["a"],
        ts=NOON - timedelta(hours=1),
        attributes='{"k":1}',
    )
    assert both(partial, complete) == a_row(
        model="gpt-4o",
        prompt_tokens=100,
        completion_tokens=20,
        total_tokens=120,
        user_id="u1",
        output_text="Hello",
        status_code="OK",
        tags=["a", "b"],
        ts=NOON - timedelta(hours=1),
        attributes='{"k":1}',
    ), "priced again, by the model of the one and the tokens of the other"
    billed = a_row(model="gpt-4o", total_cost_usd=Decimal("0.5"))
    with_cost = both(both(partial, complete), billed)
    assert (with_cost["total_cost_usd"], with_cost["price_status"]) == (Decimal("0.5"), "given")
    assert "price_version" not in with_cost


def test_the_newer_version_is_taken_as_it_is() -> None:
    old = a_row(updated_at=NOON, model="gpt-4o", prompt_tokens=100, user_id="u1")
    new = a_row(updated_at=NOON + timedelta(seconds=1), model="gpt-4o", prompt_tokens=10)
    assert both(old, new) == both(new, old) == new
    assert both(a_row(prompt_tokens=1000), old) == old, "a version before none"


def test_unclear_usage_stays_without_a_price() -> None:
    unclear = a_row(prompt_tokens=10, cached_tokens=90, model="gpt-4o", attributes='{"usage_unclear":"why"}')
    assert both(unclear, a_row(user_id="u1"))["price_status"] == "none"
    clear = a_row(prompt_tokens=100, completion_tokens=0, cached_tokens=90, model="gpt-4o")
    assert both(unclear, clear) == both(clear, unclear) == clear


def test_a_given_cost_with_a_version_is_given() -> None:
    """As an export of a store has it; and the one of one side, whose other side is not known."""
    five, seven = (a_row(total_cost_usd=Decimal(cost), price_version="genai-prices 0.2.3") for cost in (5, 7))
    assert both(five, seven) == both(seven, five) == seven
    other_usage = {**five, "prompt_tokens": 10, "model": "gpt-4o"}
    assert both(other_usage, seven)["total_cost_usd"] == 7
    one_side = [
        {**a_row(total_cost_usd=Decimal(cost)), "prompt_cost_usd": Decimal(cost), "price_status": "partial"}
        for cost in (1, 2)
    ]
    resolved = Resolved()
    resolve(one_side[:1], one_side[1:], OnConflict.MERGE, price, resolved)
    assert (resolved.conflicts, resolved.added) == (1, [])


def test_a_span_that_a_release_before_took_for_a_request_is_none() -> None:
    mistaken = {**a_row(operation_type="agent"), "price_status": ""}
    span = a_row(operation_type="agent", is_request=False)
    assert both(mistaken, span)["is_request"] is both(span, mistaken)["is_request"] is False


def test_a_price_that_is_too_high_names_the_span() -> None:
    def refuse(_: Row) -> None:
        raise BadRow("total_cost_usd: the price is not below 1E+9")

    with pytest.raises(UsageError, match="span s of trace t of acme: total_cost_usd: the price is not below"):
        resolve([a_row(prompt_tokens=9, user_id="u")], [a_row(model="gpt-4o")], OnConflict.MERGE, refuse, Resolved())


def test_a_span_is_known_again_for_a_day() -> None:
    stored = a_row(prompt_tokens=1, model="gpt-4o")
    near, far = (a_row(prompt_tokens=2, model="gpt-4o", ts=NOON + timedelta(hours=hours)) for hours in (23, 49))
    resolved = Resolved()
    resolve([near, far], [stored], OnConflict.MERGE, price, resolved)
    assert (resolved.inserted, resolved.conflicts, resolved.removed) == (1, 1, [stored])
    assert [(row["ts"], row["prompt_tokens"]) for row in resolved.added] == [(NOON, 2), (far["ts"], 2)]


@pytest.mark.parametrize(("on_conflict", "tokens"), [(OnConflict.KEEP, [2]), (OnConflict.REPLACE, [1])])
def test_a_known_row_is_kept_or_replaced(on_conflict: OnConflict, tokens: list[int]) -> None:
    stored, other = a_row(prompt_tokens=2, user_id="u1"), a_row(prompt_tokens=1)
    resolved = Resolved()
    resolve([other, other], [stored], on_conflict, price, resolved)
    assert [row["prompt_tokens"] for row in resolved.added or [stored]] == tokens


def test_a_conflict_stops_with_what_differs() -> None:
    with pytest.raises(UsageError, match=r"span s of trace t of acme: is there with another prompt_tokens, .*user_id"):
        resolve([a_row(prompt_tokens=1)], [a_row(prompt_tokens=2, user_id="u1")], OnConflict.STOP, price, Resolved())


def test_a_price_of_another_day_is_no_conflict() -> None:
    stored, again = a_row(prompt_tokens=2, model="gpt-4o"), a_row(prompt_tokens=2, model="gpt-4o")
    stored |= {"total_cost_usd": Decimal(9), "price_version": "book list 0"}
    resolved = Resolved()
    resolve([again], [stored], OnConflict.STOP, price, resolved)
    assert resolved == Resolved()
