"""The attribution of costs equals what is added up plainly from the rows, to the last digit."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from analytics_service.endpoints.costs.dimensions import CostDimension
from tests.support import reference
from tests.support.reference import Row, dimension_values
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

PATH = "/api/v1/costs/attribution"
START, END = datetime(2024, 3, 20, 5, 7, 30, tzinfo=UTC), datetime(2024, 4, 3, 3, 3, tzinfo=UTC)


ROWS = reference.random_tagged_requests(11, START - timedelta(days=1), END + timedelta(days=1), 900)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:600])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[600:])
    async with a_service(database_url) as opened:
        yield opened


def grouped(rows: list[Row], dimension: str) -> dict[str | None, list[Row]]:
    groups: dict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        for value in dimension_values(row, dimension):
            groups[value].append(row)
    return groups


def order(group: tuple[str | None, list[Row]]) -> tuple[bool, Decimal, bool, str]:
    """The most expensive first, those without a cost last; then by name, and what has none after all names."""
    value, rows = group
    return not reference.priced(rows), -reference.money(rows), value is None, value or ""


def check_item(item: dict[str, Any], rows: list[Row], whole: Decimal) -> None:
    cost = reference.money(rows)
    assert item["total_cost"] == (cost if reference.priced(rows) else None)
    assert item["prompt_cost"] == reference.money(rows, "prompt_cost_usd")
    assert item["completion_cost"] == reference.money(rows, "completion_cost_usd")
    assert (item["request_count"], item["total_tokens"]) == (len(rows), sum(row["total_tokens"] or 0 for row in rows))
    assert item["unpriced_requests"] == reference.coverage(rows)["unpriced_requests"]
    if reference.priced(rows):
        assert Fraction(item["cost_percentage"]) == reference.rounded(Fraction(cost) * 100 / Fraction(whole))
        average = Fraction(cost) / len(reference.priced(rows))
        assert Fraction(item["avg_cost_per_request"]) == reference.rounded(average)
    for name in ("provider", "model"):
        of_name = {value: reference.money(group) for value, group in grouped(rows, name).items()}
        assert {each["name"]: each["cost"] or 0 for each in item[f"by_{name}"]} == of_name


@pytest.mark.parametrize("dimension", CostDimension)
@pytest.mark.parametrize("projects", [[], ["web"]], ids=["all projects", "one project"])
async def test_it_equals_the_rows(client: Client, dimension: CostDimension, projects: list[str]) -> None:
    for organisation, limit, narrowed in (("acme", 100, {}), ("globex", 1, {}), ("acme", 2, {"provider": "openai"})):
        token = a_token(org_id=organisation, projects=projects)
        asked: dict[str, Any] = {"from_": START, "to": END, "dimension": dimension, "limit": limit, **narrowed}
        answer = await client.get(PATH, token=token, **asked)
        rows = reference.requests(ROWS, START, END, organisation=organisation, projects=projects, **narrowed)
        whole = reference.money(rows)
        groups = sorted(grouped(rows, dimension).items(), key=order)
        items = answer.data["items"]
        others = [row for _, group in groups[limit:] for row in group]
        assert [item["dimension_value"] for item in items if not item["is_other"]] == [one for one, _ in groups[:limit]]
        for item, (_, group) in zip(items, groups[:limit], strict=False):
            check_item(item, group, whole)
        summary = answer.data["summary"]
        assert (summary["total_cost"], summary["total_requests"]) == (whole, len(rows))
        assert (summary["total_values"], summary["shown_values"]) == (len(groups), min(limit, len(groups)))
        assert answer.json["meta"]["coverage"] == reference.coverage(rows)
        assert [item["is_other"] for item in items].count(True) == (bool(others) and dimension is not CostDimension.TAG)
        if dimension is CostDimension.TAG:
            assert answer.data["metadata"]["values_overlap"] is True
            continue
        if others:
            check_item(items[-1], others, whole)
        assert sum(item["total_cost"] or 0 for item in items) == whole
        assert float(sum(item["cost_percentage"] or 0 for item in items)) == pytest.approx(100, abs=1e-9)


@pytest.mark.parametrize("dimension", CostDimension)
async def test_a_year_is_answered_from_rollups(client: Client, dimension: CostDimension) -> None:
    answer = await client.get(PATH, from_=END - timedelta(days=365), to=END, dimension=dimension)
    of_details = {"user", "team", "tag"}
    source = f"traces_1day_{dimension}" if dimension in of_details else "traces_1day"
    assert answer.json["meta"]["source"] == answer.data["metadata"]["data_source"] == source


async def test_min_cost_comes_before_the_limit(client: Client) -> None:
    """Values below it are in `other`, with those that have no cost at all."""
    everything = (await client.get(PATH, from_=START, to=END, dimension="user")).data
    costs = [item["total_cost"] for item in everything["items"]]
    assert len(costs) > 3
    asked: dict[str, Any] = {"from_": START, "to": END, "dimension": "user", "min_cost": costs[2]}
    for limit, shown in ((100, 3), (3, 3), (1, 1)):
        data = (await client.get(PATH, limit=limit, **asked)).data
        assert [item["total_cost"] for item in data["items"][:-1]] == costs[:shown]
        assert data["items"][-1]["is_other"] is True
        assert sum(item["total_cost"] for item in data["items"]) == everything["summary"]["total_cost"]
        assert data["summary"] == {**everything["summary"], "shown_values": shown}


async def test_what_has_no_price_comes_last_and_a_value_may_be_named_other(database_url: str) -> None:
    unpriced = {"total_cost_usd": None, "price_status": "none"}
    await insert(database_url, [a_row(1, model="other"), a_row(2, model="own", **unpriced), a_row(3, model="b")])
    async with a_service(database_url) as client:
        asked: dict[str, Any] = {"from_": T0, "to": T0 + HOUR, "dimension": "model"}
        items = (await client.get(PATH, **asked)).data["items"]
        some = (await client.get(PATH, min_cost=0, **asked)).data["items"]
    assert [(item["dimension_value"], item["is_other"]) for item in items] == [
        *(("b", False), ("other", False), ("own", False)),
    ]
    assert (items[2]["total_cost"], items[2]["cost_percentage"], items[2]["avg_cost_per_request"]) == (None, None, None)
    assert [(item["dimension_value"], item["is_other"]) for item in some[1:]] == [("other", False), ("other", True)]
    assert some[2]["unpriced_requests"] == 1


@pytest.mark.parametrize("dimension", CostDimension)
async def test_it_narrows_to_one_user(client: Client, dimension: CostDimension) -> None:
    """Teams and tags of a user are known from single requests alone."""
    start = END - timedelta(days=7)
    answer = await client.get(PATH, from_=start, to=END, dimension=dimension, user_id="u3")
    rows = reference.requests(ROWS, start, END, user_id="u3")
    assert {item["dimension_value"]: item["total_cost"] or 0 for item in answer.data["items"]} == {
        value: reference.money(group) for value, group in grouped(rows, dimension).items()
    }
    assert answer.json["meta"]["source"] == ("raw" if dimension in {"team", "tag"} else "traces_1day_user")


async def test_nothing_is_attributed_where_there_is_nothing(client: Client) -> None:
    answer = await client.get(PATH, from_=START, to=END, dimension="tag", token=a_token(org_id="nobody"))
    assert answer.data["items"] == []
    assert answer.data["summary"]["total_values"] == 0


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"to": END, "dimension": "model"}, "from"),
        ({"from_": START, "dimension": "model"}, "to"),
        ({"from_": START, "to": END}, "dimension"),
        ({"from_": START, "to": END, "dimension": "colour"}, "dimension"),
        ({"from_": START, "to": END, "dimension": "model", "limit": 0}, "limit"),
        ({"from_": START, "to": END, "dimension": "model", "limit": 1001}, "limit"),
        ({"from_": START, "to": END, "dimension": "model", "min_cost": "-1"}, "min_cost"),
        ({"from_": START, "to": END, "dimension": "model", "min_cost": "NaN"}, "min_cost"),
        ({"from_": END, "to": START, "dimension": "model"}, "from"),
        ({"from_": END - timedelta(days=366), "to": END, "dimension": "model"}, "from"),
        ({"from_": START, "to": END, "dimension": "tag", "user_id": "u1"}, "user_id"),
        ({"from_": START, "to": END, "dimension": "model", "colour": "red"}, "colour"),
    ],
)
async def test_bad_questions_are_refused_by_name(client: Client, asked: dict[str, Any], field: str) -> None:
    answer = await client.get(PATH, **asked)
    assert (answer.status, answer.json["field"]) == (400, field), answer.body


async def test_too_many_shares_are_refused_with_the_cure(database_url: str) -> None:
    rows = [a_row(number, model=f"m{number % 25}", user_id=f"u{number % 801}") for number in range(25 * 801)]
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        asked: dict[str, Any] = {"from_": T0, "to": T0 + 24 * HOUR, "dimension": "user"}
        refused = await client.get(PATH, limit=1000, **asked)
        answered = await client.get(PATH, limit=500, **asked)
    assert (refused.status, refused.json["error_code"], refused.json["field"]) == (400, "RANGE_TOO_LARGE", "limit")
    assert len(answered.data["items"]) == 501
