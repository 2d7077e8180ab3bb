"""Rows ahead of the clock are the same rows for every route: none of them hides what another shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import reference
from tests.support.service import Client, a_row, a_service, insert

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)


async def counts(client: Client, start: datetime, end: datetime) -> dict[str, Any]:
    """The number of requests by route, of the one span of each trace."""
    span: dict[str, Any] = {"from_": start, "to": end}
    page = await client.get("/api/v1/traces", include="total", **span)
    series = {
        interval: await client.get("/api/v1/metrics", metrics="request_count", interval=interval, **span)
        for interval in ("1min", "1hour", "1day")
    }
    costs = await client.get("/api/v1/costs/summary", include_top_traces=True, **span)
    details = [await client.get(f"/api/v1/traces/{row['trace_id']}", **span) for row in page.data]
    assert all(answer.json["meta"]["complete"] is (end <= datetime.now(UTC)) for answer in (page, costs, *details))
    return {
        "list": len(page.data),
        "total": page.json["pagination"]["total"],
        **{name: sum(point["request_count"] for point in one.data["data"]) for name, one in series.items()},
        "costs": costs.data["overview"]["total_requests"],
        "trends": sum(day["requests"] for day in costs.data["trends"]["daily"]),
        "top traces": len(costs.data["top_traces"]),
        "details": sum(answer.data["totals"]["span_count"] for answer in details),
    }


@pytest.mark.parametrize("refreshed", [True, False])
async def test_every_route_shows_rows_ahead_of_time(database_url: str, *, refreshed: bool) -> None:
    now = datetime.now(UTC)
    moments = [now - DAY, now + timedelta(minutes=3), now + 1.5 * DAY, now + 3 * DAY]
    await insert(database_url, [a_row(number, ts=moment) for number, moment in enumerate(moments)])
    if refreshed:
        await reference.refreshed(database_url)
    async with a_service(database_url) as client:
        for days, expected in ((0, 1), (1, 2), (2, 3), (4, 4)):
            found = await counts(client, now - 2 * DAY, now + days * DAY)
            assert set(found.values()) == {expected}, (days, found)
        for number in range(len(moments)):
            trace = await client.get(f"/api/v1/traces/trace-{number:05}")
            assert trace.data["totals"]["span_count"] == 1


async def test_a_row_that_arrives_ahead_of_time_changes_the_answers_that_hold_it(database_url: str) -> None:
    """The versions of days that are still to come are part of what a cached answer depends on."""
    now = datetime.now(UTC)
    span: dict[str, Any] = {"from_": now - DAY, "to": now + 3 * DAY, "headers": {"Cache-Control": "no-cache"}}
    async with a_service(database_url) as client:
        assert (await client.get("/api/v1/traces", **span)).data == []
        await insert(database_url, [a_row(ts=now + 2 * DAY)])
        assert len((await client.get("/api/v1/traces", **span)).data) == 1
        series = await client.get("/api/v1/metrics", metrics="request_count", interval="1day", **span)
        assert [point["request_count"] for point in series.data["data"]] == [1]


async def test_days_that_are_not_over_are_compared_with_none(database_url: str) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight - 2 * DAY, midnight - DAY, midnight, midnight + DAY]
    await insert(database_url, [a_row(number, ts=day, total_cost_usd=number + 1) for number, day in enumerate(days)])
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/costs/summary", from_=days[0], to=midnight + 4 * DAY)
    assert answer.data["overview"]["day_over_day_change"] == 100  # of yesterday against the day before
    assert [day["cost"] for day in answer.data["trends"]["daily"]] == [1, 2, 3, 4, 0, 0]
