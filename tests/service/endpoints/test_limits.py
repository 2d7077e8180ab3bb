"""Limits and ranges agree: nothing is cut of one group in the longest range of any route; what is cut else says so."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics_service.contract.endpoint import Read
from analytics_service.endpoints import ENDPOINTS
from analytics_service.endpoints.analytics.compare.parameters import CompareParameters
from analytics_service.endpoints.analytics.optimization.parameters import OptimizationParameters
from analytics_service.endpoints.analytics.performance.parameters import PerformanceParameters
from analytics_service.endpoints.analytics.quality.parameters import QualityParameters
from analytics_service.endpoints.costs.attribution.parameters import AttributionParameters
from analytics_service.endpoints.costs.explain.parameters import MAX_REACH, ExplainParameters
from analytics_service.endpoints.costs.forecast.parameters import ForecastParameters
from analytics_service.endpoints.costs.summary.parameters import SummaryParameters
from analytics_service.endpoints.metrics.query.parameters import QueryParameters
from analytics_service.endpoints.metrics.series.bucketed import MAX_FINE_RANGE
from analytics_service.endpoints.metrics.series.names import Metric
from analytics_service.endpoints.metrics.series.parameters import MAX_POINTS, Fill, MetricParameters
from analytics_service.endpoints.metrics.summary.parameters import MetricsSummaryParameters
from analytics_service.endpoints.prices.coverage import CoverageParameters
from analytics_service.endpoints.traces.list.parameters import TraceParameters
from analytics_service.endpoints.traces.search.parameters import SearchParameters
from analytics_service.units.intervals import Interval
from tests.support.service import T0, Client, a_service, execute

pytestmark = pytest.mark.postgres

END = datetime(2024, 3, 10, 12, 34, 30, tzinfo=UTC)
"""On no boundary: the range cuts a bucket at both ends."""
ROWS = """
INSERT INTO traces (org_id, trace_id, span_id, ts, model, is_request, total_cost_usd)
SELECT 'acme', 't' || extract(epoch FROM ts), 's', ts, 'm' || (number % $3::bigint), true, 1
FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 microsecond', $4::interval)
  WITH ORDINALITY AS r (ts, number)
"""


async def fill(url: str, start: datetime, end: datetime, step: timedelta, *, groups: int = 1) -> None:
    """A request in each step of the range, and in its last moment."""
    await execute(url, "SELECT ensure_partitions($1, $2)", start, end)
    await execute(url, ROWS, start, end, groups, step)
    await execute(url, ROWS, end - timedelta(seconds=1), end, groups, step)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """A request in every minute of a week, in every hour of 90 days and in every day of a year: all of one group."""
    assert MetricParameters.max_range is not None
    ends = [MAX_FINE_RANGE, MetricParameters.max_range, SummaryParameters.max_range, timedelta(0)]
    for number, step in enumerate((timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))):
        end = END - (ends[number - 1] if number else timedelta(0))
        await fill(database_url, END - ends[number], end, step)
    async with a_service(database_url) as found:
        yield found


async def metrics(client: Client) -> None:
    for interval in Interval:
        longest = MAX_FINE_RANGE if interval.width < Interval.HOUR.width else MetricParameters.max_range
        for fill_ in Fill:
            asked: dict[str, Any] = {"metrics": "request_count", "group_by": "model", "interval": interval}
            answer = await client.get("/api/v1/metrics", from_=END - longest, to=END, fill=fill_, **asked)
            assert answer.data["metadata"]["truncated"] is False, interval
            assert (answer.json["meta"]["complete"], answer.json["meta"]["incomplete"]) == (True, [])
            buckets = longest // interval.width + 1
            assert len({point["timestamp"] for point in answer.data["data"]}) == len(answer.data["data"]) == buckets

    await every_metric(client)


async def every_metric(client: Client) -> None:
    """At the finest grain; percentiles of all of them are too much, and said to be."""
    asked: dict[str, Any] = {"metrics": list(Metric), "interval": "1min", "from_": END - MAX_FINE_RANGE, "to": END}
    answer = await client.get("/api/v1/metrics", **asked)
    assert answer.data["metadata"]["truncated"] is False
    assert answer.data["metadata"]["total_points"] == len(answer.data["data"]) == MAX_POINTS
    refused = await client.get("/api/v1/metrics", include_percentiles="true", **asked)
    assert (refused.status, refused.json["error_code"]) == (400, "RANGE_TOO_LARGE")
    assert refused.json["field"] == "include_percentiles"


async def costs(client: Client) -> None:
    longest = SummaryParameters.max_range
    answer = await client.get("/api/v1/costs/summary", from_=END - longest, to=END)
    daily = answer.data["trends"]["daily"]
    assert len(daily) == longest.days + 1
    assert all(day["requests"] for day in daily)
    assert answer.json["meta"]["complete"] is True


async def attribution(client: Client) -> None:
    longest = AttributionParameters.max_range
    answer = await client.get("/api/v1/costs/attribution", from_=END - longest, to=END, dimension="tag", limit=1)
    assert answer.data["items"][0]["request_count"] == answer.data["summary"]["total_requests"] > MAX_POINTS
    assert answer.json["meta"]["complete"] is True


async def forecast(client: Client) -> None:
    longest = ForecastParameters.max_range
    asked: dict[str, Any] = {"forecast_period": "custom", "forecast_days": 365}
    answer = await client.get("/api/v1/costs/forecast", from_=END - longest, to=END, **asked)
    assert len(answer.data["historical"]) == longest.days - 1, "both ends are cut"
    assert len(answer.data["forecast"]) == 365
    assert answer.json["meta"]["complete"] is True


async def explanation(client: Client) -> None:
    longest = ExplainParameters.max_range
    asked: dict[str, Any] = {"compare_from": END - MAX_REACH, "compare_to": END - MAX_REACH + longest}
    answer = await client.get("/api/v1/costs/explain", from_=END - longest, to=END, dimension="tag", limit=1, **asked)
    (item,) = answer.data["items"]
    assert item["after"]["requests"] == answer.data["total"]["after"]["requests"] > MAX_POINTS
    assert item["before"]["requests"] == answer.data["total"]["before"]["requests"] > 0
    assert answer.json["meta"]["complete"] is True


async def metrics_query(client: Client) -> None:
    asked = {"metrics": [{"metric": "request_count"}], "limit": 10_000}
    for interval, longest in (("1min", MAX_FINE_RANGE), ("1hour", QueryParameters.max_range)):
        answer = await client.post(
            "/api/v1/metrics/query", {**asked, "interval": interval, "from": END - longest, "to": END}
        )
        assert (answer.json["meta"]["complete"], answer.data["metadata"]["truncated"]) == (True, interval == "1min")


async def metrics_summary(client: Client) -> None:
    answer = await client.get("/api/v1/metrics/summary", from_=END - MetricsSummaryParameters.max_range, to=END)
    assert answer.data["current_period"]["total_requests"] > MAX_POINTS
    assert answer.json["meta"]["complete"] is True


async def price_coverage(client: Client) -> None:
    longest = CoverageParameters.max_range
    answer = await client.get("/api/v1/prices/coverage", from_=END - longest, to=END)
    assert answer.data["overview"]["requests"] > MAX_POINTS
    assert answer.json["meta"]["complete"] is True


async def traces(client: Client) -> None:
    asked: dict[str, Any] = {"from_": END - TraceParameters.max_range, "to": END, "limit": 1000, "fields": "trace_id"}
    answer = await client.get("/api/v1/traces", include="total", **asked)
    total, read = answer.json["pagination"]["total"], len(answer.data)
    while answer.json["pagination"]["has_more"]:
        assert answer.json["meta"]["complete"] is True
        answer = await client.get("/api/v1/traces", cursor=answer.json["pagination"]["cursor"], **asked)
        read += len(answer.data)
    assert read == total > MAX_POINTS


async def performance(client: Client) -> None:
    for granularity, longest in (("1min", MAX_FINE_RANGE), ("1hour", PerformanceParameters.max_range)):
        asked: dict[str, Any] = {"from_": END - longest, "to": END, "granularity": granularity}
        answer = await client.get("/api/v1/analytics/performance", **asked)
        buckets = longest // Interval(granularity).width + 1
        assert len(answer.data["time_series"]) == buckets <= answer.data["request_count"]
        assert answer.json["meta"]["complete"] is True


async def quality(client: Client) -> None:
    answer = await client.get("/api/v1/analytics/quality", from_=END - QualityParameters.max_range, to=END)
    assert answer.data["total_requests"] > MAX_POINTS
    assert answer.json["meta"]["complete"] is True


async def comparison(client: Client) -> None:
    asked: dict[str, Any] = {"from_": END - CompareParameters.max_range, "to": END, "models": "m0,m1"}
    answer = await client.get("/api/v1/analytics/models/compare", **asked)
    assert answer.data["models"][0]["requests"] > MAX_POINTS
    assert answer.json["meta"]["complete"] is True


async def optimization(client: Client) -> None:
    answer = await client.get("/api/v1/analytics/optimization", from_=END - OptimizationParameters.max_range, to=END)
    assert (answer.data["findings"], answer.json["meta"]["complete"]) == ([], True)


async def search(client: Client) -> None:
    asked: dict[str, Any] = {"from": END - SearchParameters.max_range, "to": END, "limit": 1000, "fields": ["trace_id"]}
    answer = await client.post("/api/v1/traces/search", {**asked, "include": ["total"]})
    assert answer.json["pagination"]["total"] > MAX_POINTS
    assert (len(answer.data), answer.json["meta"]["complete"]) == (1000, True)


async def trace(client: Client) -> None:
    """Of all time; more spans than an answer may hold are refused, and nothing is cut."""
    answer = await client.get(f"/api/v1/traces/t{END.timestamp() - 1:.6f}")
    assert (answer.data["totals"]["span_count"], answer.json["meta"]["complete"]) == (1, True)


LONGEST: dict[str, Callable[[Client], Awaitable[None]]] = {
    "list_traces": traces,
    "search_traces": search,
    "get_trace": trace,
    "get_metrics": metrics,
    "get_metrics_summary": metrics_summary,
    "query_metrics": metrics_query,
    "get_costs_summary": costs,
    "get_costs_attribution": attribution,
    "get_costs_forecast": forecast,
    "get_costs_explanation": explanation,
    "get_price_coverage": price_coverage,
    "get_performance": performance,
    "get_quality": quality,
    "compare_models": comparison,
    "get_optimization": optimization,
}


async def test_nothing_is_cut_of_one_group(client: Client) -> None:
    assert LONGEST.keys() == {endpoint.name for endpoint in ENDPOINTS if isinstance(endpoint, Read)}
    for check in LONGEST.values():
        await check(client)


@pytest.mark.parametrize("fill_", Fill)
async def test_of_too_many_groups_the_newest_buckets_are_shown_whole(database_url: str, fill_: Fill) -> None:
    """Three groups, each in every minute."""
    start, minute = T0, timedelta(minutes=1)
    buckets = MAX_POINTS // 3 + 10
    end = start + buckets * minute
    await fill(database_url, start, end, minute / 3, groups=3)
    asked: dict[str, Any] = {"metrics": "request_count", "interval": "1min", "group_by": "model", "fill": fill_}
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/metrics", from_=start, to=end, **asked)
    points = answer.data["data"]
    first = end - MAX_POINTS // 3 * minute
    shown = [(first + number * minute).isoformat().replace("+00:00", "Z") for number in range(MAX_POINTS // 3)]
    assert [(point["timestamp"], point["model"]) for point in points] == [
        (moment, model) for moment in shown for model in ("m0", "m1", "m2")
    ]
    assert (answer.data["metadata"]["truncated"], answer.data["metadata"]["total_points"]) == (True, len(points))
    assert answer.json["meta"]["incomplete"] == [
        {"from": "2024-03-04T12:00:00Z", "to": shown[0], "reason": "truncated"}
    ]
    assert answer.json["meta"]["complete"] is False


@pytest.mark.parametrize("fill_", Fill)
async def test_of_a_bucket_with_too_many_groups_the_first_are_shown(database_url: str, fill_: Fill) -> None:
    end = T0 + timedelta(hours=3)
    await fill(database_url, T0, T0 + timedelta(hours=1), timedelta(seconds=3600) / (MAX_POINTS + 5), groups=10**6)
    asked: dict[str, Any] = {"metrics": "request_count", "group_by": "model", "fill": fill_}
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/metrics", from_=T0, to=end, **asked)
    assert {point["timestamp"] for point in answer.data["data"]} == {"2024-03-04T12:00:00Z"}
    names = [point["model"] for point in answer.data["data"]]
    assert names == sorted(names)
    assert len(set(names)) == MAX_POINTS
    (stretch,) = answer.json["meta"]["incomplete"]
    assert stretch == {"from": "2024-03-04T12:00:00Z", "to": "2024-03-04T15:00:00Z", "reason": "truncated"}
