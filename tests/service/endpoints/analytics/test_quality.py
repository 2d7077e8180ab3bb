"""Quality equals what is computed plainly from the rows and from the scores."""

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from analytics_service.rollups.retention.raw import retain_raw
from tests.support import reference
from tests.support.reference import Row
from tests.support.rollups import refresh
from tests.support.scores import assert_days_are_sums, insert_scores, random_scores, scored
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, insert

PATH = "/api/v1/analytics/quality"
DAY = timedelta(days=1)
START, END = datetime(2024, 3, 29, 5, tzinfo=UTC), datetime(2024, 4, 8, 3, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")
ROWS = reference.random_requests(17, START, END, 1200)
SCORES = random_scores(17, ROWS)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:900])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[900:])
    await insert_scores(database_url, SCORES)
    async with a_service(database_url) as client:
        yield client


def ratio(part: Any, count: int) -> Fraction | None:
    return reference.rounded(Fraction(part) / count) if count else None


def exactly(value: Any) -> Fraction | None:
    return None if value is None else Fraction(value)


def check_statuses(figures: dict[str, Any], rows: Sequence[Row]) -> None:
    errors = sum(row["status_code"] == "ERROR" for row in rows)
    counts = [figures[f"{name}_requests"] for name in ("total", "successful", "failed")]
    assert counts == [len(rows), len(rows) - errors, errors]
    assert exactly(figures["error_rate"]) == ratio(errors, len(rows))
    assert exactly(figures["success_rate"]) == ratio(len(rows) - errors, len(rows))


def feedback(scores: Sequence[Row]) -> list[Any]:
    return [one["value"] for one in scores if one["name"] == "feedback" and one["value"] is not None]


def resolution(scores: Sequence[Row]) -> list[Any]:
    return [one["value"] for one in scores if one["name"] == "resolved" and one["data_type"] == "boolean"]


def check_feedback(figures: dict[str, Any], scores: Sequence[Row]) -> None:
    values, resolved = feedback(scores), resolution(scores)
    assert (figures["feedback_scores"], figures["resolution_scores"]) == (len(values), len(resolved))
    assert exactly(figures["avg_feedback_score"]) == ratio(sum(values), len(values))
    assert exactly(figures["resolution_rate"]) == ratio(sum(resolved), len(resolved))


def check_scores(listed: list[dict[str, Any]], scores: Sequence[Row]) -> None:
    named: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for one in scores:
        named[(one["name"], one["source"], one["data_type"])].append(one)
    assert [(one["name"], one["source"], one["data_type"]) for one in listed] == sorted(named)
    for one in listed:
        group = named[(one["name"], one["source"], one["data_type"])]
        assert one["count"] == len(group)
        if one["data_type"] == "categorical":
            counts = Counter(each["category"] for each in group)
            assert [(each["value"], each["count"]) for each in one["categories"]] == sorted(
                counts.items(), key=lambda item: (-item[1], item[0])
            )
            assert one["average"] is None
        else:
            assert exactly(one["average"]) == ratio(sum(each["value"] for each in group), len(group))


async def test_quality_equals_the_rows_and_the_scores(client: Client) -> None:
    chance = random.Random(5)
    for _ in range(30):
        seen: dict[str, Any] = {
            "organisation": chance.choice(["acme", "globex", "nobody"]),
            "projects": chance.choice([(), ("web",)]),
        }
        token = a_token(org_id=seen["organisation"], projects=list(seen["projects"]), role="viewer")
        start = START + timedelta(minutes=chance.randrange(3 * 24 * 60), seconds=chance.choice([0, 17.5]))
        start = chance.choice([start, start.replace(hour=0, minute=0, second=0, microsecond=0)])
        end = start + chance.choice([timedelta(hours=5), timedelta(hours=26), timedelta(days=6)])
        zone, granularity = chance.choice(ZONES), chance.choice(["1hour", "1day"])
        equal: dict[str, Any] = chance.choice([{}, {"model": "a", "provider": "openai"}, {"user_id": "u1"}])
        answer = await client.get(PATH, token=token, from_=start, to=end, granularity=granularity, tz=zone, **equal)
        data, rows = answer.data, reference.requests(ROWS, start, end, **seen, **equal)
        scores = reference.requests([one | {"is_request": True} for one in SCORES], start, end, **seen, **equal)
        check_statuses(data, rows)
        check_feedback(data, scores)
        check_scores(data["scores"], scores)
        groups = reference.grouped(rows, granularity, ZoneInfo(zone), [])
        points = {(datetime.fromisoformat(one["timestamp"]).astimezone(UTC),): one for one in data["time_series"]}
        assert list(points) == sorted(groups)
        for moment, group in groups.items():
            check_statuses(points[moment], group)
        failing = reference.grouped(rows, "1day", ZoneInfo("UTC"), ["provider", "model", "environment"])
        totals: dict[Any, list[Row]] = defaultdict(list)
        for key, group in failing.items():
            totals[key[1:]] += group
        found = {(one["provider"], one["model"], one["environment"]): one for one in data["error_breakdown"]}
        assert found.keys() == {key for key, group in totals.items() if any(r["status_code"] == "ERROR" for r in group)}
        for key, one in found.items():
            errors = sum(row["status_code"] == "ERROR" for row in totals[key])
            assert (one["total_requests"], one["failed_requests"]) == (len(totals[key]), errors)
            assert exactly(one["percentage"]) == ratio(errors * 100, int(data["failed_requests"]))
        days: dict[str, list[Row]] = defaultdict(list)
        for one in scores:
            days[one["ts"].date().isoformat()].append(one)
        for point in data["feedback_series"]:
            check_feedback(point, days.pop(point["date"]))
        assert not any(feedback(each) or resolution(each) for each in days.values())


async def test_the_sums_of_days_are_those_of_the_scores(client: Client, database_url: str) -> None:
    assert (await client.get(PATH)).status == 200
    connection = await asyncpg.connect(database_url)
    await assert_days_are_sums(connection)
    await connection.close()


async def test_scores_of_whole_days_outlive_their_rows(client: Client, database_url: str) -> None:
    midnight = START.replace(hour=0) + 2 * DAY
    connection = await asyncpg.connect(database_url)
    asked: dict[str, Any] = {"granularity": "1day", "to": END}
    before = (await client.get(PATH, from_=midnight - DAY, **asked)).data
    await refresh(connection)
    assert [step async for step in retain_raw(connection, midnight)]
    await connection.close()
    complete = await client.get(PATH, from_=midnight - DAY, headers={"Cache-Control": "no-cache"}, **asked)
    assert complete.data == before
    assert complete.json["meta"]["complete"]
    cut = await client.get(PATH, from_=midnight - DAY + HOUR, **asked)
    lost = {part["reason"]: (part["from"], part["to"]) for part in cut.json["meta"]["incomplete"]}
    assert lost["scores_below_retention"] == ("2024-03-30T01:00:00Z", "2024-03-31T00:00:00Z")
    check_feedback(cut.data, reference.requests([one | {"is_request": True} for one in SCORES], midnight, END))


async def test_names_of_scores_may_be_others_and_one_may_be_listed(database_url: str) -> None:
    await insert(database_url, [a_row(0), a_row(1)])
    async with a_service(database_url) as client:
        for number, value in enumerate((1, 4)):
            await scored(client, trace_id=f"trace-{number:05}", name="stars", value=value)
        await scored(client, trace_id="trace-00000", name="solved", value=True)
        span: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}
        names: dict[str, Any] = {"feedback_score": "stars", "resolution_score": "solved"}
        data = (await client.get(PATH, **span, **names, score="stars", limit=1)).data
        again = (await client.get(PATH, **span, **names)).data
        await scored(client, trace_id="trace-00000", name="solved", value=False)
        changed = (await client.get(PATH, **span, **names, headers={"Cache-Control": "no-cache"})).data
    assert (data["avg_feedback_score"], data["resolution_rate"]) == (Fraction(5, 2), 1)
    assert [one["name"] for one in data["scores"]] == ["stars"]
    assert [one["name"] for one in again["scores"]] == ["solved", "stars"]
    assert changed["resolution_rate"] == 0


REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"granularity": "5min"}, "INVALID_PARAMETER", "granularity"),
    ({"user_id": "ann", "from_": T0 - 8 * DAY}, "RANGE_TOO_LARGE", "user_id"),
    ({"limit": 1001}, "INVALID_PARAMETER", "limit"),
    ({"score": ""}, "INVALID_PARAMETER", "score"),
    ({"from_": T0 - 366 * DAY}, "INVALID_TIME_RANGE", "from"),
)


async def test_what_cannot_be_answered_is_named(database_url: str) -> None:
    async with a_service(database_url) as client:
        for asked, code, field in REFUSED:
            response = await client.get(PATH, **{"to": T0, **asked})
            assert (response.status, response.json["error_code"], response.json["field"]) == (400, code, field)
