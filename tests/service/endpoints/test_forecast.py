"""The forecast is made from the complete days since the first request, whatever zone they are of."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analytics_service.endpoints.costs.forecast import selection
from tests.support import reference
from tests.support.service import T0, a_row, a_service, a_token, insert

PATH = "/api/v1/costs/forecast"
START, END = datetime(2024, 3, 10, 5, 7, 30, tzinfo=UTC), datetime(2024, 4, 10, 3, 3, tzinfo=UTC)
"""The clocks of Berlin change between them."""
MIDNIGHT = T0.replace(hour=0)
DAY = timedelta(days=1)


def by_day(rows: Sequence[reference.Row], zone: ZoneInfo) -> dict[date, Decimal]:
    """Complete days since the first with a request; START and END are in days that are cut."""
    costs = dict[date, Decimal]()
    day, last = START.astimezone(zone).date() + DAY, END.astimezone(zone).date()
    while day < last:
        group = [row for row in rows if row["ts"].astimezone(zone).date() == day]
        if reference.priced(group) or costs:
            costs[day] = reference.money(group)
        day += DAY
    return costs


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
async def test_the_history_equals_the_rows(database_url: str, tz: str) -> None:
    rows = reference.random_requests(17, START + timedelta(days=3), END + DAY, 600)
    await insert(database_url, rows[:400])
    await reference.refreshed(database_url)
    await insert(database_url, rows[400:])
    async with a_service(database_url) as client:
        questions: list[tuple[str, list[str], dict[str, Any]]] = [
            *(("acme", [], {}), ("acme", ["web"], {"model": "a"}), ("globex", [], {})),
        ]
        for organisation, projects, narrowed in questions:
            token = a_token(org_id=organisation, projects=projects)
            answer = await client.get(PATH, token=token, from_=START, to=END, tz=tz, **narrowed)
            wanted = reference.requests(rows, START, END, organisation=organisation, projects=projects, **narrowed)
            costs = by_day(wanted, ZoneInfo(tz))
            data = answer.data
            assert {date.fromisoformat(day["date"]): day["cost"] for day in data["historical"]} == costs
            assert answer.json["meta"]["coverage"] == reference.coverage(wanted)
            first = max(costs) + DAY
            assert [day["date"] for day in data["forecast"]] == [str(first + n * DAY) for n in range(30)]
            made = selection.forecast(list(costs.values()), 30)
            assert data["metadata"]["model_type"] == made.model.name
            for day, point in zip(data["forecast"], made.points, strict=True):
                assert day["forecasted_cost"] == round(point.cost, 12)
                assert day["lower_bound"] <= day["forecasted_cost"] <= day["upper_bound"]
            total = sum(day["forecasted_cost"] for day in data["forecast"])
            assert data["summary"]["total_forecasted_cost"] == total
            assert data["summary"]["projected_monthly_cost"] == total, "of thirty days"


async def test_days_without_requests_cost_nothing_but_those_before_the_first(database_url: str) -> None:
    """Ten days, of which every second has a request; before them nothing is known."""
    await insert(database_url, [a_row(n, ts=MIDNIGHT + n * DAY, total_cost_usd=Decimal(4)) for n in range(0, 10, 2)])
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=MIDNIGHT - 10 * DAY, to=MIDNIGHT + 10 * DAY)).data
    assert [day["cost"] for day in data["historical"]] == [4, 0] * 5
    assert {day["forecasted_cost"] for day in data["forecast"]} == {2}
    assert data["metadata"]["model_type"] == "level"


async def test_days_before_the_first_known_cost_are_no_zeros(database_url: str) -> None:
    """Ten days of requests that nobody had a price for, and ten of priced ones, of which one day has none."""
    unpriced = {"total_cost_usd": None, "price_status": "none"}
    priced = {"total_cost_usd": Decimal(4), "price_status": "full"}
    rows = [a_row(n, ts=MIDNIGHT + n * DAY, **(unpriced if n < 10 or n == 15 else priced)) for n in range(20)]
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=MIDNIGHT, to=MIDNIGHT + 20 * DAY)
        nothing = await client.get(PATH, from_=MIDNIGHT, to=MIDNIGHT + 10 * DAY)
    assert [day["cost"] for day in answer.data["historical"]] == [4, 4, 4, 4, 4, 0, 4, 4, 4, 4]
    assert answer.json["meta"]["coverage"]["unpriced_requests"] == 11
    assert (nothing.data["historical"], nothing.data["forecast"]) == ([], [])
    assert nothing.data["metadata"]["reason"].startswith(
        "there are 0 complete days since the first request with a cost"
    )


async def test_the_open_day_is_forecast_and_no_part_of_the_history(database_url: str) -> None:
    """Whichever day it is for the service: there are rows of a day more at each end."""
    about_today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [a_row(n, ts=about_today + (n - 16) * DAY, total_cost_usd=Decimal(5)) for n in range(18)]
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_="now-14d/d", to="now+1d/d")).data
    today = datetime.fromisoformat(data["metadata"]["end_time"]) - DAY
    assert data["historical"][-1]["date"] == str((today - DAY).date())
    assert data["forecast"][0]["date"] == str(today.date())
    assert {day["cost"] for day in data["historical"]} == {day["forecasted_cost"] for day in data["forecast"]} == {5}


@pytest.mark.parametrize("count", [0, 1, 6])
async def test_too_short_a_history_is_refused_with_the_reason(database_url: str, count: int) -> None:
    others = a_row(org_id="globex", ts=MIDNIGHT)
    await insert(database_url, [others, *(a_row(n, ts=MIDNIGHT + n * DAY) for n in range(10 - count, 10))])
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=MIDNIGHT, to=MIDNIGHT + 10 * DAY)).data
    assert (data["forecast"], data["summary"], data["metadata"]["model_type"]) == ([], None, None)
    assert f"there are {count} complete days since the first request" in data["metadata"]["reason"]
    assert data["metadata"]["reason"].endswith("and 7 are needed: ask for a longer range")


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ({"forecast_period": "next_week"}, 7),
        ({"forecast_period": "next_month"}, 30),
        ({"forecast_period": "next_quarter"}, 90),
        ({"forecast_period": "custom", "forecast_days": 365}, 365),
        ({"forecast_days": 3}, 3),
    ],
)
async def test_it_is_as_long_as_asked(database_url: str, asked: dict[str, Any], days: int) -> None:
    await insert(database_url, [a_row(n, ts=MIDNIGHT + n * DAY) for n in range(10)])
    async with a_service(database_url) as client:
        data = (
            await client.get(PATH, from_=MIDNIGHT, to=MIDNIGHT + 10 * DAY, include_confidence_intervals=False, **asked)
        ).data
    assert len(data["forecast"]) == data["metadata"]["forecast_days"] == days
    assert {*data["forecast"][0]} == {"date", "forecasted_cost"}


async def test_costs_of_one_user_are_forecast(database_url: str) -> None:
    rows = [a_row(n, ts=MIDNIGHT + n * DAY, user_id=user) for n in range(10) for user in ("ann", "bob")]
    await insert(database_url, [row | {"span_id": row["user_id"]} for row in rows])
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=MIDNIGHT, to=MIDNIGHT + 10 * DAY, user_id="ann")
    assert {day["forecasted_cost"] for day in answer.data["forecast"]} == {Decimal("0.001")}
    assert answer.json["meta"]["source"] == "traces_1day_user"


async def test_a_year_is_forecast_from_rollups(database_url: str) -> None:
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=MIDNIGHT - 365 * DAY, to=MIDNIGHT)
    assert answer.json["meta"]["source"] == "traces_1day"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from_": END - timedelta(days=6)}, "from"),
        ({"from_": END - timedelta(days=366)}, "from"),
        ({"forecast_period": "custom"}, "forecast_days"),
        ({"forecast_period": "next_week", "forecast_days": 7}, "forecast_days"),
        ({"forecast_period": "custom", "forecast_days": 366}, "forecast_days"),
        ({"forecast_period": "next_year"}, "forecast_period"),
        ({"user_id": "u", "tz": "Europe/Berlin"}, "user_id"),
        ({"include_confidence_intervals": "maybe"}, "include_confidence_intervals"),
    ],
)
async def test_bad_questions_are_refused_by_name(database_url: str, asked: dict[str, Any], field: str) -> None:
    async with a_service(database_url) as client:
        answer = await client.get(PATH, **{"from_": START, "to": END} | asked)
    assert (answer.status, answer.json["field"]) == (400, field), answer.body
