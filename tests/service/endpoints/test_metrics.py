"""Metrics equal what is computed plainly from the rows, from rollups and from raw, whatever is dirty."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analytics_service.endpoints.metrics.series.names import VALUE_METRICS, Aggregation, Dimension, Metric
from tests.support import reference
from tests.support.service import HOUR, T0, a_row, a_service, insert

SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}
START, END = datetime(2024, 3, 29, 5, 7, 30, tzinfo=UTC), datetime(2024, 4, 2, 3, 3, tzinfo=UTC)
"""Around a change of clocks in Europe, on no boundary of anything."""


def number(value: Any) -> Fraction | None:
    return None if value is None else Fraction(value)


@pytest.mark.parametrize(
    ("interval", "tz", "group_by", "equal"),
    [
        pytest.param("1hour", "UTC", ["model"], {}, id="hours"),
        pytest.param("5min", "UTC", [], {"model": "a"}, id="five minutes"),
        pytest.param("1min", "Asia/Kathmandu", ["provider"], {}, id="minutes"),
        pytest.param("1day", "Europe/Berlin", ["model", "environment"], {}, id="days of 23 hours"),
        pytest.param("1day", "Asia/Kathmandu", ["status_code"], {"provider": "openai"}, id="days that begin at 18:15"),
        pytest.param("1hour", "Asia/Kathmandu", ["project_id"], {}, id="hours that begin at a quarter"),
        pytest.param("1day", "Australia/Lord_Howe", ["operation_type"], {}, id="days of half hours"),
        pytest.param("1hour", "UTC", ["user_id", "session_id"], {}, id="what only raw knows"),
        pytest.param("1day", "UTC", [], {"user_id": "u1"}, id="of one user"),
    ],
)
async def test_sums_averages_and_counts_equal_the_rows(
    database_url: str, interval: str, tz: str, group_by: list[str], equal: dict[str, Any]
) -> None:
    rows = reference.random_requests(1, START - timedelta(days=1), END + timedelta(days=1), 800)
    await insert(database_url, rows[:500])
    await reference.refreshed(database_url)
    await insert(database_url, rows[500:])  # clean buckets and dirty ones
    groups = reference.grouped(reference.requests(rows, START, END, **equal), interval, ZoneInfo(tz), group_by)
    by: dict[str, Any] = {"group_by": group_by} if group_by else {}
    async with a_service(database_url) as client:
        for aggregation in (Aggregation.SUM, Aggregation.AVG, Aggregation.MIN, Aggregation.MAX, Aggregation.COUNT):
            answer = await client.get(
                "/api/v1/metrics",
                metrics=[*VALUE_METRICS, "request_count", "error_count", "success_rate"],
                aggregation=aggregation,
                interval=interval,
                tz=tz,
                from_=START,
                to=END,
                **by,
                **equal,
            )
            points = answer.data["data"]
            moments = [datetime.fromisoformat(one["timestamp"]).astimezone(UTC) for one in points]
            assert moments == sorted(moments)
            found = {
                (moment, *(one[name] for name in group_by)): one for moment, one in zip(moments, points, strict=True)
            }
            assert found.keys() == groups.keys()
            for key, group in groups.items():
                for metric in VALUE_METRICS:
                    assert number(found[key][metric]) == reference.aggregate(metric, aggregation, group), (key, metric)
                errors = sum(row["status_code"] == "ERROR" for row in group)
                assert (found[key]["request_count"], found[key]["error_count"]) == (len(group), errors)
                assert number(found[key]["success_rate"]) == reference.rounded(1 - Fraction(errors, len(group)))


LATENCIES = ("duration", "time_to_first_token")


@pytest.mark.parametrize(
    ("metrics", "interval", "methods"),
    [
        (LATENCIES, "1min", ("log_histogram", "exact")),
        (LATENCIES, "1day", ("log_histogram", "exact")),
        ((*LATENCIES, "unique_users"), "1day", ("log_histogram", "exact")),
        ((*LATENCIES, "unique_users"), "1hour", ("log_histogram", "hyperloglog")),
        ((*LATENCIES, "unique_users"), "5min", ("percentile_disc", "exact")),
        ((*VALUE_METRICS, "unique_users", "unique_sessions"), "1day", ("percentile_disc", "exact")),
    ],
)
async def test_percentiles_and_unique_counts_are_those_of_the_rows(
    database_url: str, metrics: Sequence[str], interval: str, methods: tuple[str, str]
) -> None:
    rows = reference.random_requests(2, START, END, 400)
    await insert(database_url, rows[:300])
    await reference.refreshed(database_url)
    await insert(database_url, rows[300:])
    async with a_service(database_url) as client:
        answer = await client.get(
            "/api/v1/metrics",
            metrics=metrics,
            include_percentiles=True,
            interval=interval,
            group_by="model",
            from_=START,
            to=END,
        )
    metadata = answer.data["metadata"]
    assert metadata["percentiles"]["method"] == methods[0]
    assert (metadata["unique_counts"] or {"method": "exact"})["method"] == methods[1]
    groups = reference.grouped(reference.requests(rows, START, END), interval, ZoneInfo("UTC"), ["model"])
    for point in answer.data["data"]:
        group = groups.pop((datetime.fromisoformat(point["timestamp"]), point["model"]))
        for metric in VALUE_METRICS.keys() & set(metrics):
            for share in reference.SHARES:
                exact = reference.aggregate(metric, share, group)
                assert reference.is_near(metric, point[f"{metric}_{share}"], exact, methods[0]), (metric, share)
        for unique, column in {"unique_users": "user_id", "unique_sessions": "session_id"}.items():
            assert unique not in metrics or point[unique] == len({row[column] for row in group} - {None})
    assert groups == {}


async def test_a_percentile_may_be_the_aggregation(database_url: str) -> None:
    await insert(database_url, [a_row(one, duration_us=one * 1000, total_tokens=one) for one in range(1, 101)])
    async with a_service(database_url) as client:
        asked: dict[str, Any] = {**SPAN, "aggregation": "p95"}
        near = await client.get("/api/v1/metrics", **asked, metrics="duration,request_count")
        exact = await client.get("/api/v1/metrics", **asked, metrics="duration,total_tokens")
    for answer, error, source in ((near, 0.02, "traces_1hour"), (exact, 0, "raw")):
        (point,) = answer.data["data"]
        assert float(point["duration"]) == pytest.approx(95, rel=error, abs=0)
        assert answer.json["meta"]["source"] == source
    assert (near.data["data"][0]["request_count"], exact.data["data"][0]["total_tokens"]) == (100, 95)


async def test_usual_aggregations_are_sums_of_money_and_averages_of_time(database_url: str) -> None:
    await insert(database_url, [a_row(one, duration_us=one * 1000, ttft_us=500) for one in (1, 2)])
    async with a_service(database_url) as client:
        answer = await client.get(
            "/api/v1/metrics", **SPAN, metrics="duration,time_to_first_token,total_cost,total_tokens"
        )
    (point,) = answer.data["data"]
    assert (point["duration"], point["time_to_first_token"]) == (Decimal("1.5"), Decimal("0.5"))
    assert (point["total_cost"], point["total_tokens"]) == (Decimal("0.002"), 20)
    assert answer.data["metadata"]["aggregations"]["duration"] == "avg"


async def test_throughput_is_of_the_part_of_a_bucket_that_is_in_the_range(database_url: str) -> None:
    await insert(database_url, [a_row(one, ts=T0 + timedelta(minutes=one)) for one in range(60)])
    async with a_service(database_url) as client:
        half = T0 + timedelta(minutes=30)
        answer = await client.get("/api/v1/metrics", metrics="throughput", from_=half, to=T0 + 2 * HOUR)
        whole = await client.get("/api/v1/metrics", metrics="throughput", from_=T0, to=T0 + HOUR, interval="1day")
    assert answer.data["data"] == [{"timestamp": "2024-03-04T12:00:00Z", "throughput": Decimal("0.016666666667")}]
    assert whole.data["data"][0]["throughput"] == Decimal("0.016666666667")


async def test_fill_shows_empty_buckets_of_the_groups_that_there_are(database_url: str) -> None:
    await insert(database_url, [a_row(1, model="a"), a_row(2, model="b", ts=T0 + timedelta(minutes=2))])
    async with a_service(database_url) as client:
        answer = await client.get(
            "/api/v1/metrics",
            metrics="request_count,total_cost,duration,error_rate",
            interval="1min",
            group_by="model",
            fill="zero",
            from_=T0,
            to=T0 + timedelta(minutes=3),
        )
        nothing = await client.get("/api/v1/metrics", metrics="request_count", fill="zero", from_=T0 - HOUR, to=T0)
    points = answer.data["data"]
    assert [(one["timestamp"][14:16], one["model"], one["request_count"]) for one in points] == [
        ("00", "a", 1),
        ("00", "b", 0),
        ("01", "a", 0),
        ("01", "b", 0),
        ("02", "a", 0),
        ("02", "b", 1),
    ]
    assert (points[1]["total_cost"], points[1]["duration"], points[1]["error_rate"]) == (0, None, None)
    assert nothing.data["data"] == [{"timestamp": "2024-03-04T11:00:00Z", "request_count": 0}]


async def test_points_of_a_local_day_carry_its_offset(database_url: str) -> None:
    await insert(database_url, [a_row()])
    async with a_service(database_url) as client:
        answer = await client.get(
            "/api/v1/metrics", metrics="request_count", interval="1day", tz="Asia/Kathmandu", from_=T0, to=T0 + HOUR
        )
    assert answer.data["data"][0]["timestamp"] == "2024-03-04T00:00:00+05:45"


@pytest.mark.parametrize(
    ("length", "interval"), [("6h", "1min"), ("24h", "5min"), ("7d", "1hour"), ("14d", "1hour"), ("90d", "1day")]
)
async def test_auto_gives_a_few_hundred_points(database_url: str, length: str, interval: str) -> None:
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/metrics", metrics="request_count", interval="auto", from_=f"now-{length}")
    assert answer.data["metadata"]["interval"] == interval


@pytest.mark.parametrize("dimension", Dimension)
async def test_every_metric_can_be_grouped_by_every_dimension(database_url: str, dimension: Dimension) -> None:
    await insert(database_url, [a_row(user_id="u", session_id="s", team_id="t")])
    async with a_service(database_url) as client:
        for metric in Metric:
            answer = await client.get("/api/v1/metrics", **SPAN, metrics=metric, group_by=dimension)
            (point,) = answer.data["data"]
            assert list(point) == ["timestamp", dimension, metric]
