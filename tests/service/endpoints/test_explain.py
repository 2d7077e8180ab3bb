"""Why costs changed: both periods equal the rows, and the parts add up, whatever they are divided by."""

import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from analytics_service.endpoints.costs.dimensions import CostDimension
from analytics_service.endpoints.costs.explain import decomposition
from tests.support import reference
from tests.support.reference import Row, dimension_values
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

PATH = "/api/v1/costs/explain"
START, MIDDLE, END = (datetime(2024, 3, day, 5, 7, 30, tzinfo=UTC) for day in (20, 25, 30))
PERIODS: dict[str, Any] = {"from_": MIDDLE, "to": END}


ROWS = reference.random_tagged_requests(13, START - timedelta(days=1), END + timedelta(days=1), 900)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:600])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[600:])
    async with a_service(database_url) as opened:
        yield opened


def check(changed: dict[str, Any], before: list[Row], after: list[Row]) -> None:
    for period, rows in (("before", before), ("after", after)):
        assert changed[period] == {
            "cost": reference.money(rows),
            "requests": len(rows),
            "unpriced_requests": reference.coverage(rows)["unpriced_requests"],
            "tokens": sum(row["total_tokens"] or 0 for row in rows),
        }
    assert Fraction(changed["change"]) == Fraction(reference.money(after)) - Fraction(reference.money(before))
    assert sum(map(Fraction, changed["parts"].values())) == Fraction(changed["change"])


@pytest.mark.parametrize("dimension", [None, *CostDimension])
async def test_it_equals_the_rows_and_adds_up(client: Client, dimension: CostDimension | None) -> None:
    for organisation, projects, limit in (("acme", [], 20), ("acme", ["web"], 2), ("globex", [], 1)):
        asked = {**PERIODS, "limit": limit} | ({"dimension": dimension} if dimension else {})
        answer = await client.get(PATH, token=a_token(org_id=organisation, projects=projects), **asked)
        scope: dict[str, Any] = {"organisation": organisation, "projects": projects}
        before = reference.requests(ROWS, START, MIDDLE, **scope)
        after = reference.requests(ROWS, MIDDLE, END, **scope)
        check(answer.data["total"], before, after)
        assert answer.json["meta"]["coverage"] == reference.coverage([*before, *after])
        if dimension is None:
            assert answer.data["items"] is None
            continue
        items = answer.data["items"]
        seen = {value for row in (*before, *after) for value in dimension_values(row, dimension)}
        shown = [item["dimension_value"] for item in items if not item["is_other"]]
        assert len(shown) == min(limit, len(seen))
        for item in items:
            named = seen - set(shown) if item["is_other"] else {item["dimension_value"]}
            check(
                item,
                *([row for row in rows if dimension_values(row, dimension) & named] for rows in (before, after)),
            )
        changes = [abs(item["change"]) for item in items if not item["is_other"]]
        assert changes == sorted(changes, reverse=True)
        is_cut = len(seen) > limit and dimension is not CostDimension.TAG
        assert [item["is_other"] for item in items].count(True) == is_cut
        if dimension is not CostDimension.TAG:
            assert sum(Fraction(item["change"]) for item in items) == Fraction(answer.data["total"]["change"])


async def test_periods_may_lie_apart_and_differ_in_length(client: Client) -> None:
    first, last = START + timedelta(hours=3), START + timedelta(days=2, minutes=7, seconds=11)
    answer = await client.get(PATH, compare_from=first, compare_to=last, dimension="team", **PERIODS)
    check(answer.data["total"], reference.requests(ROWS, first, last), reference.requests(ROWS, MIDDLE, END))
    metadata = answer.data["metadata"]
    assert datetime.fromisoformat(metadata["compare_start_time"]) == first
    assert datetime.fromisoformat(metadata["compare_end_time"]) == last
    other = await client.get(PATH, compare_from=first, compare_to=last + HOUR * 9, **PERIODS)
    assert other.data["total"]["before"] != answer.data["total"]["before"], "each has an entry of its own in the cache"


@pytest.mark.parametrize("dimension", [None, *CostDimension])
async def test_the_longest_periods_are_answered_from_rollups(client: Client, dimension: CostDimension | None) -> None:
    asked: dict[str, Any] = {"dimension": dimension} if dimension else {}
    answer = await client.get(PATH, from_=END - timedelta(days=92), to=END, **asked)
    of_details = {"user", "team", "tag"}
    assert answer.json["meta"]["source"] == (f"traces_1day_{dimension}" if dimension in of_details else "traces_1day")


async def test_a_cache_and_another_model_are_told_apart(database_url: str) -> None:
    """Rates are those of the list: of this model a cached token costs a half."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000, "price_status": "full"}
    prompt = Decimal("0.0025")
    full = {**usage, "model": "gpt-4o", "prompt_cost_usd": prompt, "completion_cost_usd": Decimal(0)}
    cached = {**full, "cached_tokens": 800, "prompt_cost_usd": Decimal("0.0015")}
    await insert(
        database_url,
        [
            a_row(1, ts=T0, total_cost_usd=prompt, **full),
            a_row(2, ts=T0 + HOUR, total_cost_usd=Decimal("0.0015"), **cached),
        ],
    )
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=T0 + HOUR, to=T0 + 2 * HOUR)
    parts = answer.data["total"]["parts"]
    assert {name: value for name, value in parts.items() if value} == {"cache": Decimal("-0.001")}
    assert answer.data["metadata"]["models_without_rates"] == 0


async def test_the_models_whose_rates_nobody_knows_are_counted(database_url: str) -> None:
    await insert(database_url, [a_row(1, model="in-house", prompt_tokens=10, cached_tokens=5)])
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=T0, to=T0 + HOUR)
    assert answer.data["metadata"]["models_without_rates"] == 1


async def test_nothing_changed_where_there_is_nothing(client: Client) -> None:
    answer = await client.get(PATH, token=a_token(org_id="nobody"), dimension="user", **PERIODS)
    assert answer.data["items"] == []
    assert (answer.data["total"]["change"], answer.data["total"]["change_percentage"]) == (0, None)
    assert set(answer.data["total"]["parts"].values()) == {0}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"compare_from": START}, "compare_to"),
        ({"compare_to": START}, "compare_from"),
        ({"compare_from": MIDDLE, "compare_to": START}, "compare_from"),
        ({"compare_from": START, "compare_to": END}, "compare_to"),
        ({"compare_from": START - timedelta(days=93), "compare_to": START}, "compare_from"),
        ({"compare_from": END - timedelta(days=397), "compare_to": END - timedelta(days=390)}, "compare_from"),
        ({"compare_from": "yesterday", "compare_to": START}, "compare_from"),
        ({"from_": END - timedelta(days=93)}, "from"),
        ({"dimension": "colour"}, "dimension"),
        ({"dimension": "team", "limit": 101}, "limit"),
        ({"dimension": "team", "user_id": "u1"}, "user_id"),
    ],
)
async def test_bad_questions_are_refused_by_name(client: Client, asked: dict[str, Any], field: str) -> None:
    answer = await client.get(PATH, **PERIODS | asked)
    assert (answer.status, answer.json["field"]) == (400, field), answer.body


@pytest.mark.parametrize(("models", "is_apart"), [(20, False), (120, True)])
async def test_the_parts_of_many_models_are_computed_beside_the_event_loop(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    models: int,
    is_apart: bool,  # noqa: FBT001 - as given
) -> None:
    """A model takes a quarter of a millisecond, for which every other request would wait: in all, and by value."""
    threads = list[bool]()

    def parts(*args: Any) -> Any:
        threads.append(threading.current_thread() is not threading.main_thread())
        return of_models(*args)

    of_models = decomposition.parts
    monkeypatch.setattr(decomposition, "parts", parts)
    await insert(database_url, [a_row(number, model=f"m{number}") for number in range(models)])
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=T0, to=T0 + 3 * HOUR, dimension="environment")
    assert sum(map(Fraction, answer.data["total"]["parts"].values())) == Fraction(answer.data["total"]["change"])
    assert threads == [is_apart] * 2


async def test_too_many_models_are_refused_with_the_cure(database_url: str) -> None:
    await insert(database_url, [a_row(number, model=f"m{number}") for number in range(4_001)])
    async with a_service(database_url) as client:
        refused = await client.get(PATH, from_=T0, to=T0 + 3 * HOUR)
        answered = await client.get(PATH, from_=T0, to=T0 + 3 * HOUR, model="m7")
    assert (refused.status, refused.json["error_code"], refused.json["field"]) == (400, "RANGE_TOO_LARGE", "model")
    assert answered.data["total"]["after"]["requests"] == 1
