"""Which requests have no price equals what is counted plainly from the rows."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.support import reference
from tests.support.service import HOUR, T0, a_row, a_service, insert

PATH = "/api/v1/prices/coverage"
START, END = datetime(2024, 3, 20, 5, 7, 30, tzinfo=UTC), datetime(2024, 4, 2, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize("narrowed", [{}, {"provider": "openai"}, {"environment": "production", "model": "a"}])
async def test_the_coverage_equals_the_rows(database_url: str, narrowed: dict[str, Any]) -> None:
    rows = reference.random_requests(5, START - timedelta(days=2), END + timedelta(days=2), 900)
    await insert(database_url, rows[:600])
    await reference.refreshed(database_url)
    await insert(database_url, rows[600:])
    requests = reference.requests(rows, START, END, **narrowed)
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=START, to=END, **narrowed)
    coverage, overview = reference.coverage(requests), answer.data["overview"]
    tokens = sum(row["total_tokens"] or 0 for row in requests)
    assert answer.json["meta"]["coverage"] == coverage
    assert (overview["requests"], overview["tokens"]) == (len(requests), tokens)
    assert overview["unpriced_requests"] == coverage["unpriced_requests"] > 0
    assert overview["unpriced_tokens"] == coverage["unpriced_tokens"]
    covered = Fraction(len(requests) - coverage["unpriced_requests"], len(requests)) * 100
    assert Fraction(overview["covered_requests"]) == reference.rounded(covered)
    models = Counter((row["provider"], row["model"]) for row in requests if reference.is_unpriced(row))
    assert {(each["provider"], each["model"]): each["unpriced_requests"] for each in answer.data["models"]} == models
    assert answer.data["metadata"]["total_models"] == len(models)


async def test_the_largest_come_first_and_the_rest_is_counted(database_url: str) -> None:
    await insert(
        database_url,
        [a_row(n, model=f"own-{n}", total_tokens=100 - n, total_cost_usd=None) for n in range(5)]
        + [a_row(9, model="known", total_cost_usd=Decimal(1), price_status="full")],
    )
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=T0, to=T0 + HOUR, limit=2)).data
    assert [each["model"] for each in data["models"]] == ["own-0", "own-1"]
    assert (data["metadata"]["total_models"], data["overview"]["requests"]) == (5, 6)


async def test_nothing_is_covered_where_nothing_is(database_url: str) -> None:
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=T0, to=T0 + HOUR)
    assert (answer.data["models"], answer.data["overview"]["covered_requests"]) == ([], None)
    assert answer.json["meta"]["coverage"] == {"unpriced_requests": 0, "unpriced_tokens": 0, "lower_bound": False}
