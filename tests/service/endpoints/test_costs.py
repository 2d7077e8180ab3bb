"""The costs summary equals what is computed plainly from the rows, to the last digit."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.endpoints.costs.days import Day
from analytics_service.endpoints.costs.summary import trends
from tests.support import reference
from tests.support.service import HOUR, T0, a_row, a_service, insert

PATH = "/api/v1/costs/summary"
START, END = datetime(2024, 3, 20, 5, 7, 30, tzinfo=UTC), datetime(2024, 4, 10, 3, 3, tzinfo=UTC)


def quotient(one: Fraction | Decimal, other: Fraction | Decimal | int) -> Fraction:
    return reference.rounded(Fraction(one) / Fraction(other))


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
async def test_the_summary_equals_the_rows(database_url: str, tz: str) -> None:
    rows = reference.random_requests(3, START - timedelta(days=2), END + timedelta(days=2), 900)
    await insert(database_url, rows[:600])
    await reference.refreshed(database_url)
    await insert(database_url, rows[600:])
    wanted = reference.requests(rows, START, END)
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=START, to=END, tz=tz, include_top_traces=True, top_limit=7)
    data = answer.data
    overview, total = data["overview"], reference.money(wanted)
    tokens = sum(row["total_tokens"] or 0 for row in wanted)
    with_cost = reference.priced(wanted)
    priced_tokens = sum(row["total_tokens"] or 0 for row in with_cost)
    assert overview["total_cost"] == total
    assert overview["prompt_cost"] == reference.money(wanted, "prompt_cost_usd")
    assert overview["completion_cost"] == reference.money(wanted, "completion_cost_usd")
    assert (overview["total_requests"], overview["total_tokens"]) == (len(wanted), tokens)
    assert Fraction(overview["avg_cost_per_request"]) == quotient(total, len(with_cost))
    assert Fraction(overview["avg_cost_per_1k_tokens"]) == quotient(Fraction(total) * 1000, priced_tokens)
    assert answer.json["meta"]["coverage"] == reference.coverage(wanted)
    assert overview["unpriced_requests"] == answer.json["meta"]["coverage"]["unpriced_requests"] > 0
    for name in ("provider", "model", "environment"):
        check_shares(data[f"by_{name}"], name, wanted, total)
    check_days(data["trends"], wanted, ZoneInfo(tz))
    check_traces(data["top_traces"], wanted)


def check_shares(shares: list[dict[str, Any]], name: str, wanted: list[reference.Row], total: Decimal) -> None:
    assert {share["name"] for share in shares} == {row[name] for row in wanted}
    assert [share["cost"] for share in shares] == sorted((share["cost"] for share in shares), reverse=True)
    for share in shares:
        group = [row for row in wanted if row[name] == share["name"]]
        cost = reference.money(group)
        assert (share["cost"], share["requests"]) == (cost, len(group))
        assert Fraction(share["percentage"]) == quotient(Fraction(cost) * 100, total)
        assert Fraction(share["avg_cost_per_request"]) == quotient(cost, len(reference.priced(group)))
        assert share["unpriced_requests"] == reference.coverage(group)["unpriced_requests"]


def check_days(found: dict[str, Any], wanted: list[reference.Row], zone: ZoneInfo) -> None:
    days = {one["date"]: one for one in found["daily"]}
    assert list(days) == sorted(days)
    first, last = START.astimezone(zone).date(), (END - timedelta(microseconds=1)).astimezone(zone).date()
    assert len(days) == (last - first).days + 1
    for text, day in days.items():
        group = [row for row in wanted if row["ts"].astimezone(zone).date() == date.fromisoformat(text)]
        assert (day["cost"], day["requests"]) == (reference.money(group), len(group))
        assert day["unpriced_requests"] == reference.coverage(group)["unpriced_requests"]
    assert sum((week["cost"] for week in found["weekly"]), Decimal(0)) == reference.money(wanted)
    assert all(date.fromisoformat(week["week_start"]).weekday() == 0 for week in found["weekly"])


def check_traces(found: list[dict[str, Any]], wanted: list[reference.Row]) -> None:
    costs: dict[str, list[reference.Row]] = {}
    for row in wanted:
        costs.setdefault(row["trace_id"], []).append(row)
    known = {name: group for name, group in costs.items() if any(row["total_cost_usd"] is not None for row in group)}
    order = sorted(known, key=lambda name: (-reference.money(known[name]), name))
    assert [(one["trace_id"], one["cost"]) for one in found] == [
        (name, reference.money(known[name])) for name in order[:7]
    ]


async def test_money_keeps_its_last_digit_in_large_sums(database_url: str) -> None:
    """More digits than binary floats have, or Python's usual decimals."""
    large = Decimal("999999999.999999999999")
    await insert(database_url, [a_row(number, total_cost_usd=large) for number in range(1000)])
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=T0, to=T0 + HOUR)
    assert b'"total_cost":999999999999.999999999,' in answer.body
    assert answer.data["overview"]["avg_cost_per_request"] == large


async def test_what_has_no_price_does_not_look_free(database_url: str) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
    known = {"total_cost_usd": Decimal("0.0025"), "price_status": "full"}
    await insert(
        database_url,
        [
            a_row(1, model="gpt-4o", **usage, **known),
            a_row(2, model="in-house-7b", **usage, total_cost_usd=None, price_status="none"),
            a_row(3, model="of-before", **usage, total_cost_usd=None),
        ],
    )
    await reference.refreshed(database_url)
    async with a_service(database_url) as client:
        costs = await client.get(PATH, from_=T0, to=T0 + HOUR)
        metrics = await client.get("/api/v1/metrics", metrics="total_cost", from_=T0, to=T0 + HOUR, aggregation="avg")
        counts = await client.get("/api/v1/metrics", metrics="request_count", from_=T0, to=T0 + HOUR)
    shares = {share["name"]: share for share in costs.data["by_model"]}
    assert (shares["gpt-4o"]["cost"], shares["gpt-4o"]["unpriced_requests"]) == (Decimal("0.0025"), 0)
    for name in ("in-house-7b", "of-before"):
        share = shares[name]
        assert (share["cost"], share["percentage"], share["avg_cost_per_request"]) == (None, None, None)
        assert share["unpriced_requests"] == 1
    assert [share["name"] for share in costs.data["by_model"]] == ["gpt-4o", "in-house-7b", "of-before"]
    assert costs.data["overview"]["avg_cost_per_request"] == Decimal("0.0025")
    assert metrics.data["data"][0]["total_cost"] == Decimal("0.0025"), "the same average on every route"
    coverage = {"unpriced_requests": 2, "unpriced_tokens": 2000, "lower_bound": True}
    assert (costs.json["meta"]["coverage"], metrics.json["meta"]["coverage"]) == (coverage, coverage)
    assert "coverage" not in counts.json["meta"]


async def test_an_empty_range_costs_nothing_and_says_why_there_is_no_change(database_url: str) -> None:
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=T0, to=T0 + timedelta(days=30))).data
    overview = data["overview"]
    assert (overview["total_cost"], overview["total_requests"], overview["avg_cost_per_request"]) == (0, 0, None)
    assert (overview["day_over_day_change"], overview["day_over_day_reason"]) == (None, "there were no costs before")
    assert (data["by_model"], data["top_traces"]) == ([], None)
    assert data["trends"]["growth_rate_daily_reason"] == "there were no costs"


async def test_changes_compare_whole_days_and_weeks(database_url: str) -> None:
    midnight = T0 - timedelta(hours=12)
    costs = [Decimal(day + 1) for day in range(14)]
    await insert(
        database_url,
        [a_row(day, ts=midnight + timedelta(days=day, hours=3), total_cost_usd=cost) for day, cost in enumerate(costs)],
    )
    async with a_service(database_url) as client:
        whole = (await client.get(PATH, from_=midnight, to=midnight + timedelta(days=14))).data
        partial = (await client.get(PATH, from_=midnight, to=midnight + timedelta(days=13, hours=23))).data
    assert Fraction(whole["overview"]["day_over_day_change"]) == quotient(Fraction(100), 13)
    assert whole["overview"]["week_over_week_change"] == 175
    assert partial["overview"]["day_over_day_change"] == Decimal("8.333333333333")
    assert partial["overview"]["week_over_week_reason"] == "the range holds 13 whole days, and 14 are compared"
    assert Fraction(whole["trends"]["growth_rate_daily"]) == quotient(Fraction(100), Fraction(15, 2))
    assert [week["cost"] for week in whole["trends"]["weekly"]] == [28, 77]


@given(st.lists(st.decimals(0, 1000, places=6), min_size=2, max_size=30))
def test_growth_is_the_slope_of_the_least_squares_line(costs: list[Decimal]) -> None:
    count = len(costs)
    mean, middle = sum(map(Fraction, costs), Fraction(0)) / count, Fraction(count - 1, 2)
    if mean == 0:
        assert trends.growth(costs).value is None
        return
    covariance = sum(((index - middle) * (Fraction(cost) - mean) for index, cost in enumerate(costs)), Fraction(0))
    slope = covariance / sum(((index - middle) ** 2 for index in range(count)), Fraction(0))
    value = trends.growth(costs).value
    assert value is not None
    assert Fraction(value) == reference.rounded(slope * 100 / mean)


def test_a_week_is_whole_when_all_of_its_days_are() -> None:
    days = [
        Day(
            day=date(2024, 3, 1) + timedelta(days=n),
            complete=n != 5,
            cost=Decimal(1),
            requests=Decimal(1),
            priced=Decimal(0),
            unpriced=Decimal(0),
            tokens=Decimal(0),
        )
        for n in range(17)
    ]
    weeks = trends.weeks(days)
    assert [(week.start.day, week.complete, int(week.cost)) for week in weeks] == [
        (26, False, 3),
        (4, False, 7),
        (11, True, 7),
    ]
