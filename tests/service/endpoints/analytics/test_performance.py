"""Performance equals what is computed plainly from the rows, from rollups and from raw, in any zone."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support import reference
from tests.support.reference import Row
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

PATH = "/api/v1/analytics/performance"
START, END = datetime(2024, 3, 29, 5, tzinfo=UTC), datetime(2024, 4, 8, 3, tzinfo=UTC)
"""Clocks change in Berlin on 31 March and on Lord Howe Island, by half an hour, on 7 April."""
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")
ROWS = reference.random_requests(13, START, END, 1500)
FIGURES = {
    f"{shown}_{name}_ms": (metric, shown)
    for name, metric in (("latency", "duration"), ("ttft", "time_to_first_token"))
    for shown in ("avg", "min", "max", "p50", "p95", "p99")
}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:1100])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[1100:])
    async with a_service(database_url) as client:
        yield client


def check(figures: dict[str, Any], rows: Sequence[Row], span: tuple[datetime, datetime], method: str) -> None:
    tokens = sum(row["total_tokens"] or 0 for row in rows)
    seconds = Fraction((span[1] - span[0]) // timedelta(microseconds=1), 1_000_000)
    assert (figures["request_count"], figures["total_tokens"]) == (len(rows), tokens)
    assert Fraction(figures["throughput_rps"]) == reference.rounded(len(rows) / seconds)
    assert Fraction(figures["tokens_per_second"]) == reference.rounded(tokens / seconds)
    for name, (metric, shown) in FIGURES.items():
        exact, value = reference.aggregate(metric, shown, rows), figures[name]
        if shown in reference.SHARES:
            assert reference.is_near(metric, value, exact, method), name
        else:
            assert (None if value is None else Fraction(value)) == exact, name


def bucket_span(
    moment: datetime, interval: str, zone: ZoneInfo, span: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    """The part of the bucket of `moment` that lies in the range; its end is looked for minute by minute."""
    first = last = reference.bucket(moment, interval, zone).astimezone(UTC)
    while reference.bucket(last, interval, zone).astimezone(UTC) == first:
        last += timedelta(minutes=1)
    return max(first, span[0]), min(last, span[1])


async def test_performance_equals_the_rows(client: Client) -> None:
    chance = random.Random(3)
    for _ in range(30):
        seen: dict[str, Any] = {
            "organisation": chance.choice(["acme", "globex", "nobody"]),
            "projects": chance.choice([(), ("web",)]),
        }
        token = a_token(org_id=seen["organisation"], projects=list(seen["projects"]), role="viewer")
        granularity = chance.choice(["1min", "1hour", "1day", "raw"])
        start = START + timedelta(minutes=chance.randrange(3 * 24 * 60), seconds=chance.choice([0, 17.5]))
        span = start, start + chance.choice([timedelta(hours=5), timedelta(hours=26), timedelta(days=7)])
        zone = chance.choice(ZONES)
        equal: dict[str, Any] = chance.choice([{}, {"model": "a", "provider": "openai"}, {"user_id": "u1"}])
        answer = await client.get(
            PATH, token=token, from_=span[0], to=span[1], granularity=granularity, tz=zone, **equal
        )
        data, rows = answer.data, reference.requests(ROWS, span[0], span[1], **seen, **equal)
        method, interval = data["metadata"]["percentiles"]["method"], data["metadata"]["interval"]
        assert method == ("percentile_disc" if granularity == "raw" or "user_id" in equal else "log_histogram")
        assert granularity in {interval, "raw"}
        check(data, rows, span, method)
        groups = reference.grouped(rows, interval, ZoneInfo(zone), [])
        points = {(datetime.fromisoformat(one["timestamp"]).astimezone(UTC),): one for one in data["time_series"]}
        assert list(points) == sorted(groups)
        for (moment,), group in groups.items():
            check(points[(moment,)], group, bucket_span(moment, interval, ZoneInfo(zone), span), method)


async def test_long_ranges_are_answered_from_rollups_in_every_zone_of_whole_hours(client: Client) -> None:
    span: dict[str, Any] = {"from_": END - timedelta(days=90), "to": END, "granularity": "1day"}
    answers = [await client.get(PATH, **span, tz=zone) for zone in ("UTC", "Europe/Berlin")]
    rows = reference.requests(ROWS, END - timedelta(days=90), END)
    for answer in answers:
        check(answer.data, rows, (END - timedelta(days=90), END), "log_histogram")
    assert [answer.json["meta"]["source"] for answer in answers] == ["traces_1day", "traces_1hour"]


async def test_nothing_has_no_latency(database_url: str) -> None:
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=T0, to=T0 + HOUR)).data
    assert (data["request_count"], data["throughput_rps"], data["time_series"]) == (0, 0, [])
    assert {data[name] for name in FIGURES} == {None}


async def test_a_sum_of_many_requests_counts_in_averages_and_in_nothing_else(database_url: str) -> None:
    await insert(
        database_url,
        [a_row(1, duration_us=1000), a_row(2, duration_us=90_000, request_weight=9, total_tokens=90)],
    )
    async with a_service(database_url) as client:
        for granularity in ("1hour", "raw"):
            data = (await client.get(PATH, from_=T0, to=T0 + HOUR, granularity=granularity)).data
            assert (data["request_count"], data["total_tokens"]) == (10, 100)
            assert (data["avg_latency_ms"], data["max_latency_ms"]) == (Fraction("9.1"), 1)
            assert float(data["p99_latency_ms"]) == pytest.approx(1, rel=0.02)


REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"granularity": "1week"}, "INVALID_PARAMETER", "granularity"),
    ({"granularity": "1min", "from_": T0 - 8 * 24 * HOUR}, "RANGE_TOO_LARGE", "granularity"),
    ({"granularity": "raw", "from_": T0 - 8 * 24 * HOUR}, "RANGE_TOO_LARGE", "granularity"),
    ({"user_id": "ann", "from_": T0 - 8 * 24 * HOUR}, "RANGE_TOO_LARGE", "user_id"),
    ({"tz": "Asia/Kathmandu", "from_": T0 - 8 * 24 * HOUR}, "RANGE_TOO_LARGE", "tz"),
    ({"from_": T0 - 91 * 24 * HOUR}, "INVALID_TIME_RANGE", "from"),
    ({"interval": "1hour"}, "UNKNOWN_PARAMETER", "interval"),
)


async def test_what_cannot_be_answered_is_named(database_url: str) -> None:
    async with a_service(database_url) as client:
        for asked, code, field in REFUSED:
            response = await client.get(PATH, **{"to": T0, **asked})
            assert (response.status, response.json["error_code"], response.json["field"]) == (400, code, field)
        assert (await client.get(PATH, token=a_token(role="billing"))).status == 403
