"""Ranges that are too long for single requests: sketches, days of users and teams, and what is refused by its name."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support import reference
from tests.support.service import a_row, a_service, insert

pytestmark = pytest.mark.postgres

START = datetime(2024, 3, 1, tzinfo=UTC)
END = START + timedelta(days=10)
ASKED: dict[str, Any] = {"from_": START, "to": END}


def rows() -> list[dict[str, Any]]:
    """Log-normal latencies; 30 users in the first days, many more later."""
    chance = random.Random(11)
    return [
        a_row(
            number,
            ts=START + timedelta(seconds=chance.randrange(864_000)),
            duration_us=int(chance.lognormvariate(13, 1.2)),
            ttft_us=chance.choice([None, int(chance.lognormvariate(11, 0.5))]),
            user_id=f"u{chance.randrange(30 if number % 2 else 4000)}",
            team_id=chance.choice([None, "red", "blue"]),
            model=chance.choice("ab"),
            session_id=f"s{chance.randrange(50)}",
        )
        for number in range(9000)
    ]


ROWS = rows()


@pytest.mark.parametrize("refreshed", [True, False])
async def test_percentiles_and_users_are_near_the_rows(database_url: str, *, refreshed: bool) -> None:
    await insert(database_url, ROWS[:8000])
    if refreshed:
        await reference.refreshed(database_url)
    await insert(database_url, ROWS[8000:])
    async with a_service(database_url) as client:
        for interval, zone in (("1day", "UTC"), ("1day", "Europe/Berlin")):
            answer = await client.get(
                "/api/v1/metrics",
                metrics="duration,time_to_first_token,unique_users,request_count",
                include_percentiles=True,
                interval=interval,
                group_by="model",
                tz=zone,
                **ASKED,
            )
            groups = reference.grouped(reference.requests(ROWS, START, END), interval, ZoneInfo(zone), ["model"])
            assert answer.data["metadata"]["percentiles"]["method"] == "log_histogram"
            method, error = ("exact", 0) if zone == "UTC" else ("hyperloglog", 0.05)
            assert answer.data["metadata"]["unique_counts"]["method"] == method
            for point in answer.data["data"]:
                group = groups.pop((datetime.fromisoformat(point["timestamp"]).astimezone(UTC), point["model"]))
                assert point["request_count"] == len(group)
                users = len({row["user_id"] for row in group})
                assert float(point["unique_users"]) == pytest.approx(users, rel=error, abs=0)
                for metric in ("duration", "time_to_first_token"):
                    for share in reference.SHARES:
                        wanted = reference.aggregate(metric, share, group)
                        assert wanted is not None
                        assert float(point[f"{metric}_{share}"]) == pytest.approx(float(wanted), rel=0.0201), share
            assert groups == {}


async def test_users_by_less_than_an_hour_are_counted_from_single_requests(database_url: str) -> None:
    await insert(database_url, ROWS[:10])
    async with a_service(database_url) as client:
        span: dict[str, Any] = {"from_": START, "to": START + timedelta(days=7), "interval": "5min"}
        answer = await client.get("/api/v1/metrics", metrics="duration,unique_users", aggregation="p95", **span)
    assert answer.data["metadata"]["percentiles"] == {"method": "percentile_disc", "error_bound": 0}
    assert answer.data["metadata"]["unique_counts"] == {"method": "exact", "standard_error": 0}


@pytest.mark.parametrize("dimension", ["user_id", "team_id"])
@pytest.mark.parametrize("length", [timedelta(days=10), timedelta(days=4, hours=5, minutes=8)])
async def test_days_of_users_and_teams_are_exact(database_url: str, dimension: str, length: timedelta) -> None:
    await insert(database_url, ROWS[:600])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[600:900])
    late, end = START + timedelta(hours=7, minutes=3), START + length
    async with a_service(database_url) as client:
        answer = await client.get(
            "/api/v1/metrics", metrics="request_count", group_by=dimension, interval="1day", from_=late, to=end
        )
    assert answer.json["meta"]["source"] == f"traces_1day_{dimension.removesuffix('_id')}"
    wanted = reference.grouped(reference.requests(ROWS[:900], late, end), "1day", ZoneInfo("UTC"), [dimension])
    found = {(one["timestamp"], one[dimension]): one["request_count"] for one in answer.data["data"]}
    assert found == {
        (moment.isoformat().replace("+00:00", "Z"), name): len(group) for (moment, name), group in wanted.items()
    }


async def test_a_user_s_costs_are_added_up_by_days(database_url: str) -> None:
    await insert(database_url, ROWS[:900])
    await reference.refreshed(database_url)
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/costs/summary", user_id="u3", **ASKED)
    mine = reference.requests(ROWS[:900], START, END, user_id="u3")
    assert (answer.data["overview"]["total_requests"], answer.data["overview"]["total_cost"]) == (
        len(mine),
        reference.money(mine),
    )
    assert answer.json["meta"]["source"] == "traces_1day_user"


@pytest.mark.parametrize(
    ("path", "asked", "field", "cure"),
    [
        ("metrics", {"metrics": "unique_sessions"}, "metrics", "at most 7 days"),
        ("metrics", {"metrics": "request_count", "group_by": "session_id"}, "group_by", "at most 7 days"),
        ("metrics", {"metrics": "total_cost", "aggregation": "p95"}, "aggregation", "at most 7 days"),
        ("metrics", {"metrics": "request_count", "user_id": "u"}, "interval", "interval=1day and tz=UTC"),
        (
            "metrics",
            {"metrics": "request_count", "group_by": "team_id", "interval": "1day", "tz": "Europe/Berlin"},
            "interval",
            "interval=1day and tz=UTC",
        ),
        ("metrics", {"metrics": "unique_users", "user_id": "u", "interval": "1day"}, "group_by", "at most 7 days"),
        ("metrics", {"metrics": "request_count", "group_by": "user_id,team_id"}, "group_by", "at most 7 days"),
        (
            "metrics",
            {"metrics": "duration", "aggregation": "max", "group_by": "team_id", "interval": "1day"},
            "aggregation",
            "at most 7 days",
        ),
        ("metrics", {"metrics": "unique_users", "tz": "Asia/Kathmandu"}, "tz", "hour of UTC"),
        ("metrics", {"metrics": "duration", "aggregation": "p50", "tz": "Asia/Kolkata"}, "tz", "hour of UTC"),
        ("costs/summary", {"user_id": "u", "tz": "Europe/Berlin"}, "user_id", "tz other than UTC"),
    ],
)
async def test_what_no_level_knows_is_refused_with_the_cure(
    database_url: str, path: str, asked: dict[str, Any], field: str, cure: str
) -> None:
    async with a_service(database_url) as client:
        answer = await client.get(f"/api/v1/{path}", **asked, **ASKED)
    assert (answer.status, answer.json["field"]) == (400, field), answer.body
    assert cure in answer.json["detail"]
