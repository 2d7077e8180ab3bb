"""Random questions of random principals have the answers that are computed plainly from their own rows."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analytics_service.endpoints.metrics.series.names import PERCENTILES, VALUE_METRICS, Aggregation, Dimension, Metric
from tests.support import reference
from tests.support.reference import Row
from tests.support.service import Client, a_service, a_token, insert

START, END = datetime(2024, 3, 29, 5, tzinfo=UTC), datetime(2024, 4, 8, 3, tzinfo=UTC)
"""Clocks change in Berlin on 31 March and on Lord Howe Island, by half an hour, on 7 April."""
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham")
METRICS = (*VALUE_METRICS, *(metric for metric in Metric if metric not in VALUE_METRICS))


def random_rows() -> list[dict[str, Any]]:
    chance = random.Random(7)
    rows = reference.random_requests(7, START, END, 1500)
    return [
        row | {"team_id": chance.choice(["", "red"]), "operation_type": chance.choice(["chat", "embed"])}
        for row in rows
    ]


ROWS = random_rows()


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:1100])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[1100:])
    async with a_service(database_url) as found:
        yield found


def a_principal(chance: random.Random) -> tuple[dict[str, Any], str]:
    """What the reference calls it, and its token."""
    seen = {
        "organisation": chance.choice(["acme", "globex", "nobody"]),
        "projects": chance.choice([(), ("web",), ("no",)]),
    }
    token = a_token(sub="q", org_id=seen["organisation"], projects=list(seen["projects"]), role="admin")
    return seen, token


def a_range(chance: random.Random, longest: timedelta) -> tuple[datetime, datetime]:
    start = START + timedelta(minutes=chance.randrange(8 * 24 * 60), seconds=chance.choice([0, 0, 17.5]))
    return start, start + chance.choice([timedelta(hours=3), timedelta(minutes=61), longest, longest / 2])


def expected(metric: str, aggregation: str, group: list[Row], seconds: Fraction) -> Any:
    errors = sum(row["status_code"] == "ERROR" for row in group)
    match metric:
        case "request_count":
            return len(group)
        case "error_count":
            return errors
        case "success_count":
            return len(group) - errors
        case "error_rate":
            return reference.rounded(Fraction(errors, len(group)))
        case "success_rate":
            return reference.rounded(Fraction(len(group) - errors, len(group)))
        case "throughput":
            return reference.rounded(len(group) / seconds)
        case "unique_users" | "unique_sessions":
            column = "user_id" if metric == "unique_users" else "session_id"
            return len({row[column] for row in group} - {None})
        case _:
            return reference.aggregate(metric, aggregation, group)


def seconds_inside(moment: datetime, interval: str, zone: ZoneInfo, span: tuple[datetime, datetime]) -> Fraction:
    """Of the bucket that holds `moment`, those in the range; its ends are looked for minute by minute."""
    first = last = reference.bucket(moment, interval, zone).astimezone(UTC)
    while reference.bucket(last, interval, zone).astimezone(UTC) == first:
        last += timedelta(minutes=1)
    inside = min(last, span[1]) - max(first, span[0])
    return Fraction(inside // timedelta(microseconds=1), 1_000_000)


async def test_metrics(client: Client) -> None:
    chance = random.Random(1)
    for _ in range(50):
        seen, token = a_principal(chance)
        interval = chance.choice(["1min", "5min", "1hour", "1day"])
        span = a_range(chance, timedelta(days=7 if interval in {"1hour", "1day"} else 1))
        zone, by = chance.choice(ZONES), chance.sample(list(Dimension), chance.choice([0, 1, 2, 5]))
        aggregation = chance.choice(list(Aggregation))
        metrics = chance.sample(METRICS, chance.choice([1, 3, len(METRICS)]))
        equal: dict[str, Any] = chance.choice(
            [{}, {"model": "a"}, {"provider": "openai", "environment": "production"}, {"user_id": "u1"}]
        )
        asked: dict[str, Any] = {
            "metrics": metrics,
            "interval": interval,
            "aggregation": aggregation,
            "tz": zone,
            **equal,
        }
        asked |= {"group_by": by} if by else {}
        asked |= {"include_percentiles": True} if chance.random() < 0.3 else {}
        answer = await client.get("/api/v1/metrics", token=token, from_=span[0], to=span[1], **asked)
        rows = reference.requests(ROWS, span[0], span[1], **seen, **equal)
        groups = reference.grouped(rows, interval, ZoneInfo(zone), by)
        found = {
            (datetime.fromisoformat(one["timestamp"]).astimezone(UTC), *(one[name] for name in by)): one
            for one in answer.data["data"]
        }
        assert found.keys() == groups.keys(), asked
        method = (answer.data["metadata"]["percentiles"] or {"method": "none"})["method"]
        for key, group in groups.items():
            seconds = seconds_inside(key[0], interval, ZoneInfo(zone), span)
            for metric in metrics:
                wanted, value = expected(metric, aggregation, group, seconds), found[key][metric]
                if aggregation in PERCENTILES and metric in VALUE_METRICS:
                    assert reference.is_near(metric, value, wanted, method), (asked, metric)
                else:
                    assert (None if value is None else Fraction(value)) == wanted, (asked, metric)
                if "include_percentiles" in asked and metric in VALUE_METRICS:
                    for share in PERCENTILES:
                        value = found[key].get(f"{metric}_{share}", found[key][metric])
                        exact = reference.aggregate(metric, share, group)
                        assert reference.is_near(metric, value, exact, method), (asked, metric, share)


async def test_costs(client: Client) -> None:
    chance = random.Random(2)
    for _ in range(20):
        seen, token = a_principal(chance)
        span, zone = a_range(chance, timedelta(days=9)), chance.choice(ZONES)
        equal: dict[str, Any] = chance.choice([{}, {"model": "b"}, {"project_id": "web"}])
        asked: dict[str, Any] = {"tz": zone, "include_top_traces": True, "top_limit": 5, **equal}
        answer = await client.get("/api/v1/costs/summary", token=token, from_=span[0], to=span[1], **asked)
        rows, data = reference.requests(ROWS, span[0], span[1], **seen, **equal), answer.data
        whole = reference.money(rows)
        overview = data["overview"]
        for name in ("total", "prompt", "completion"):
            assert overview[f"{name}_cost"] == reference.money(rows, f"{name}_cost_usd"), asked
        assert overview["total_requests"] == len(rows)
        assert overview["total_tokens"] == sum(row["total_tokens"] or 0 for row in rows)
        for dimension in ("provider", "model", "environment"):
            parts: dict[str, list[Row]] = defaultdict(list)
            for row in rows:
                parts[row[dimension]].append(row)
            shares = {one["name"]: one for one in data[f"by_{dimension}"]}
            assert {name: (one["cost"], one["requests"]) for name, one in shares.items()} == {
                name: (reference.money(part), len(part)) for name, part in parts.items()
            }
            if whole:
                assert abs(sum(one["percentage"] for one in shares.values()) - 100) < Decimal("1e-9")
        days: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            days[row["ts"].astimezone(ZoneInfo(zone)).date().isoformat()].append(row)
        daily = {one["date"]: one for one in data["trends"]["daily"]}
        assert {day: one["cost"] for day, one in daily.items() if one["requests"]} == {
            day: reference.money(part) for day, part in days.items()
        }
        assert sum(one["cost"] for one in data["trends"]["weekly"]) == whole
        traces: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            traces[row["trace_id"]].append(row)
        priced = [
            (reference.money(part), name)
            for name, part in traces.items()
            if any(r["total_cost_usd"] is not None for r in part)
        ]
        dearest = sorted(priced, key=lambda one: (-one[0], one[1]))[:5]
        assert [(one["cost"], one["trace_id"]) for one in data["top_traces"]] == dearest
