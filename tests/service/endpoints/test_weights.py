"""A row that is the sum of many requests counts as they do, and has no place in statistics of single requests."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.endpoints.costs.dimensions import CostDimension
from tests.support import reference
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

COPIES = 12
OF_SUMS = a_token(org_id="sums")
ADDED = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cost_usd", "completion_cost_usd", "total_cost_usd"),
)
SPAN: dict[str, Any] = {"from_": T0 - HOUR, "to": T0 + 30 * HOUR}
METRICS = (
    *("request_count", "error_count", "success_count", "error_rate", "success_rate", "throughput"),
    *("total_cost", "prompt_cost", "completion_cost", "total_tokens", "prompt_tokens", "completion_tokens"),
    "unique_users",
)
VALUES = tuple(metric for metric in METRICS if metric.endswith(("cost", "tokens")))


def kinds() -> list[dict[str, Any]]:
    """Requests that differ in all that answers are grouped and narrowed by, some without a value or a price."""
    priced = {"total_cost_usd": Decimal("0.003"), "prompt_cost_usd": Decimal("0.001"), "price_status": "full"}
    priced |= {"completion_cost_usd": Decimal("0.002"), "prompt_tokens": 70, "completion_tokens": 30}
    changes: list[dict[str, Any]] = [
        {**priced, "total_tokens": 100, "user_id": "ann", "team_id": "blue", "tags": ["a", "b"]},
        {**priced, "total_tokens": 100, "status_code": "ERROR", "model": "gpt-4o", "project_id": "batch"},
        {"total_cost_usd": None, "price_status": "none", "total_tokens": 9, "prompt_tokens": 9, "user_id": "ann"},
        {"total_cost_usd": Decimal("0.5"), "price_status": "partial", "total_tokens": None, "environment": ""},
        {"total_cost_usd": Decimal("0.25"), "price_status": "given", "provider": "anthropic", "user_id": "bob"},
    ]
    return [{**change, "ts": T0 + timedelta(minutes=7 * number, hours=number)} for number, change in enumerate(changes)]


def singles() -> list[dict[str, Any]]:
    return [a_row(span_id=f"{number}/{copy}", **kind) for number, kind in enumerate(kinds()) for copy in range(COPIES)]


def sums() -> list[dict[str, Any]]:
    rows = [a_row(org_id="sums", span_id=str(number), **kind) for number, kind in enumerate(kinds())]
    added = [{name: row[name] * COPIES for name in ADDED if row.get(name) is not None} for row in rows]
    return [{**row, **more, "request_weight": COPIES} for row, more in zip(rows, added, strict=True)]


async def both(client: Client, path: str, **params: Any) -> tuple[Any, Any]:
    """The answers from single requests, and from their sums."""
    answers = [await client.get(path, token=token, **{**SPAN, **params}) for token in (None, OF_SUMS)]
    assert [answer.status for answer in answers] == [200, 200], answers
    assert all(answer.data for answer in answers)
    return tuple((answer.data, answer.json["meta"].get("coverage")) for answer in answers)  # type: ignore[return-value]


@pytest.mark.parametrize("is_refreshed", [False, True], ids=["from raw", "from rollups"])
async def test_sums_answer_as_their_requests_do(database_url: str, is_refreshed: bool) -> None:  # noqa: FBT001 - as given
    await insert(database_url, [*singles(), *sums()])
    if is_refreshed:
        await reference.refreshed(database_url)
    params: dict[str, Any]
    async with a_service(database_url) as client:
        for params in (
            {"metrics": METRICS},
            {"metrics": METRICS, "interval": "1min", "group_by": ("model", "provider", "environment", "status_code")},
            {"metrics": VALUES, "aggregation": "avg"},
            {"metrics": VALUES, "aggregation": "count", "interval": "1day"},
            {"metrics": (*VALUES, "request_count"), "aggregation": "avg", "interval": "1day", "group_by": "user_id"},
            {"metrics": ("total_tokens", "request_count"), "interval": "1day", "group_by": "team_id"},
            {"metrics": ("total_cost", "request_count"), "group_by": "session_id"},
            {"metrics": ("total_cost", "request_count"), "aggregation": "avg", "user_id": "ann", "tz": "Asia/Kolkata"},
        ):
            of_singles, of_sums = await both(client, "/api/v1/metrics", **params)
            assert of_singles == of_sums, params
        for params in ({}, {"user_id": "ann"}, {"model": "gpt-4o"}, {"tz": "Asia/Kathmandu"}):
            for path in ("/api/v1/costs/summary", "/api/v1/prices/coverage"):
                of_singles, of_sums = await both(client, path, **params)
                assert of_singles == of_sums, (path, params)
        cases: list[tuple[str, dict[str, Any]]] = [
            ("/api/v1/costs/forecast", {"to": T0 + timedelta(days=9)}),
            *((f"/api/v1/analytics/{name}", {}) for name in ("quality", "optimization", "performance")),
            ("/api/v1/analytics/performance", {"granularity": "raw"}),
            ("/api/v1/analytics/models/compare", {"models": "gpt-4,gpt-4o"}),
        ]
        for path, params in cases:
            of_singles, of_sums = await both(client, path, **params)
            assert of_singles == of_sums, (path, params)
        for dimension in CostDimension:
            for path in ("/api/v1/costs/attribution", "/api/v1/costs/explain"):
                of_singles, of_sums = await both(client, path, dimension=dimension)
                assert of_singles == of_sums, (path, dimension)


@pytest.mark.parametrize("is_refreshed", [False, True], ids=["from raw", "from rollups"])
async def test_sums_meet_conditions_and_fail_as_their_requests_do(database_url: str, *, is_refreshed: bool) -> None:
    failed = {"error_message": "timeout after 3 s"}
    rows = [row | (failed if row["status_code"] == "ERROR" else {}) for row in (*singles(), *sums())]
    await insert(database_url, rows)
    if is_refreshed:
        await reference.refreshed(database_url)
    by_model: dict[str, Any] = {
        "metrics": [{"metric": one} for one in METRICS],
        "group_by": ["model", "environment"],
        "having": [{"metric": "request_count", "operator": "eq", "value": COPIES}],
        "sort_by": {"field": "total_cost", "descending": True},
    }
    by_user: dict[str, Any] = {
        "metrics": [{"metric": "total_cost", "aggregation": "avg"}, {"metric": "request_count"}],
        "interval": "1day",
        "group_by": ["user_id"],
        "filters": [{"dimension": "user_id", "operator": "ne", "value": "bob"}],
        "having": [{"metric": "total_tokens", "aggregation": "avg", "operator": "gt", "value": "9"}],
    }
    span = {"from": SPAN["from_"], "to": SPAN["to"]}
    async with a_service(database_url) as client:
        for asked in (by_model, by_user, {**by_user, "group_by": ["session_id", "user_id"]}):
            posts = [await client.post("/api/v1/metrics/query", span | asked, token=one) for one in (None, OF_SUMS)]
            assert posts[0].data["data"], asked
            assert posts[0].data == posts[1].data, asked
        for params in ({}, {"user_id": "ann"}, {"compare_previous_period": "false"}):
            of_singles, of_sums = await both(client, "/api/v1/metrics/summary", **params)
            assert of_singles == of_sums, params
        assert (await both(client, "/api/v1/metrics/summary"))[1][0]["quality"]["most_common_errors"] == [
            {
                "status_code": "ERROR",
                "error": "timeout after # s",
                "count": COPIES,
                "percentage": 100,
                "sample_message": "timeout after 3 s",
            }
        ]


async def test_the_average_divides_by_the_requests(database_url: str) -> None:
    sum_ = a_row(org_id="sums", request_weight=3, total_cost_usd=Decimal(3), total_tokens=300, price_status="full")
    single = a_row(1, org_id="sums", total_cost_usd=Decimal(5), total_tokens=100, price_status="full")
    await insert(database_url, [sum_, single])
    async with a_service(database_url) as client:
        overview = (await client.get("/api/v1/costs/summary", token=OF_SUMS, **SPAN)).data["overview"]
        trace = (await client.get("/api/v1/traces/trace-00000", token=OF_SUMS, **SPAN)).data
        listed = (await client.get("/api/v1/traces", token=OF_SUMS, sort_order="asc", **SPAN)).data
    assert (overview["total_requests"], overview["avg_cost_per_request"]) == (4, 2)
    assert (trace["totals"]["span_count"], trace["totals"]["request_count"]) == (1, 3)
    assert [span.get("request_weight") for span in listed] == [3, None]


@pytest.mark.parametrize("is_refreshed", [False, True], ids=["from raw", "from rollups"])
async def test_sums_are_in_no_statistic_of_single_requests(database_url: str, is_refreshed: bool) -> None:  # noqa: FBT001 - as given
    """Also where somebody else's writer gave them a duration."""
    timed = {"duration_us": 10**9, "ttft_us": 10**9}
    sum_ = a_row(org_id="sums", request_weight=9, total_tokens=9_000, total_cost_usd=Decimal(9), **timed)
    single = a_row(1, org_id="sums", total_tokens=10, total_cost_usd=Decimal(1), duration_us=2_000, ttft_us=1_000)
    await insert(database_url, [sum_, single])
    if is_refreshed:
        await reference.refreshed(database_url)
    metrics = ("total_tokens", "total_cost", "duration", "time_to_first_token")
    asked: dict[str, Any]
    async with a_service(database_url) as client:
        for aggregation in ("min", "max", "p50", "p99"):
            asked = {"metrics": metrics, "aggregation": aggregation, "interval": "1day"}
            (point,) = (await client.get("/api/v1/metrics", token=OF_SUMS, **SPAN, **asked)).data["data"]
            assert (point["total_tokens"], point["total_cost"]) == (10, 1), aggregation
            assert (point["duration"], point["time_to_first_token"]) == (2, 1), aggregation
        asked = {"metrics": metrics[2:], "aggregation": "p95"}
        (point,) = (await client.get("/api/v1/metrics", token=OF_SUMS, **SPAN, **asked)).data["data"]
        assert point["duration"] == pytest.approx(2, rel=0.02)
        assert point["time_to_first_token"] == pytest.approx(1, rel=0.02)
        top = (await client.get("/api/v1/costs/summary", token=OF_SUMS, include_top_traces="true", **SPAN)).data
    assert [trace["trace_id"] for trace in top["top_traces"]] == ["trace-00001"]
