"""The summary of metrics equals what plain Python says of both periods, from rollups and raw, wherever they begin."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support import reference
from tests.support.reference import Row
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, execute, insert

SUMMARY = "/api/v1/metrics/summary"
START, END = datetime(2024, 3, 26, 5, tzinfo=UTC), datetime(2024, 4, 4, 3, tzinfo=UTC)
MESSAGES = [None, "timeout after 3 s", "timeout after 30 s", "rate limit"]


def random_rows() -> list[dict[str, Any]]:
    chance = random.Random(21)
    rows = reference.random_requests(21, START, END, 700)
    failed = [
        {"error_message": chance.choice(MESSAGES), "attributes": chance.choice([None, {"error.type": "refused"}])}
        for _ in rows
    ]
    return [row | more if row["status_code"] == "ERROR" else row for row, more in zip(rows, failed, strict=True)]


ROWS = random_rows()


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:500])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[500:])
    async with a_service(database_url) as running:
        yield running


def check_period(found: dict[str, Any], rows: Sequence[Row], *, exact: bool) -> None:
    errors, durations = sum(row["status_code"] == "ERROR" for row in rows), reference.aggregate("duration", "avg", rows)
    rate = reference.rounded(Fraction(errors, len(rows))) if rows else None
    assert found["total_requests"] == len(rows)
    assert found["total_cost_usd"] == reference.money(rows)
    assert found["unpriced_requests"] == sum(map(reference.is_unpriced, rows))
    assert found["total_tokens"] == sum(row["total_tokens"] or 0 for row in rows)
    assert (None if found["avg_duration_ms"] is None else Fraction(found["avg_duration_ms"])) == durations
    method = "percentile_disc" if exact else "log_histogram"
    assert reference.is_near("duration", found["p95_duration_ms"], reference.aggregate("duration", "p95", rows), method)
    assert (None if found["error_rate"] is None else Fraction(found["error_rate"])) == rate
    assert found["success_rate"] is None or found["error_rate"] + found["success_rate"] == 1
    assert found["unique_users"] == len({row["user_id"] for row in rows} - {None})
    if found["unique_sessions_reason"] is None:
        assert found["unique_sessions"] == len({row["session_id"] for row in rows} - {None})


def check_items(found: dict[str, Any], rows: Sequence[Row]) -> None:
    sums: dict[str, dict[tuple[str, str], Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for row in rows:
        model = (row["provider"], row["model"])
        sums["by_cost"][model] += Fraction(row["total_cost_usd"] or 0)
        sums["by_requests"][model] += 1
        sums["by_duration"][model] += Fraction(row["duration_us"] or 0, 1000)
        sums["by_errors"][model] += row["status_code"] == "ERROR"
    for name, items in found.items():
        ranked = sorted(
            ((model, value) for model, value in sums[name].items() if value), key=lambda one: (-one[1], one[0])
        )
        whole = sum(sums[name].values(), Fraction(0))
        assert [((one["provider"], one["model"]), Fraction(one["value"])) for one in items] == ranked[:10]
        assert [Fraction(one["percentage"]) for one in items] == [
            reference.rounded(value * 100 / whole) for _, value in ranked[:10]
        ]


def check_errors(found: dict[str, Any], rows: Sequence[Row]) -> None:
    failed = [row for row in rows if row["status_code"] == "ERROR"]
    assert (found["error_count"], found["success_count"]) == (len(failed), len(rows) - len(failed))
    if found["most_common_errors_reason"] is not None:
        return
    kinds: Counter[str] = Counter()
    samples: dict[str, set[str | None]] = defaultdict(set)
    for row in failed:
        message = row.get("error_message")
        kind = (row.get("attributes") or {}).get("error.type") or re.sub(r"\d+", "#", message or "")
        kinds[kind] += 1
        samples[kind].add(message)
    errors = found["most_common_errors"]
    assert {one["error"]: one["count"] for one in errors} == kinds
    assert [one["count"] for one in errors] == sorted(kinds.values(), reverse=True)
    assert all(one["sample_message"] in samples[one["error"]] for one in errors)
    assert not errors or abs(sum(one["percentage"] for one in errors) - 100) < Decimal("1e-9")


def check_changes(found: dict[str, Any], previous: Sequence[Row], current: Sequence[Row]) -> None:
    def figures(rows: Sequence[Row]) -> dict[str, Fraction | None]:
        return {
            "requests": Fraction(len(rows)),
            "cost": Fraction(reference.money(rows)),
            "duration": reference.aggregate("duration", "avg", rows),
            "error_rate": reference.rounded(Fraction(sum(row["status_code"] == "ERROR" for row in rows), len(rows)))
            if rows
            else None,
        }

    before, after = figures(previous), figures(current)
    for name, old in before.items():
        new, value, reason = after[name], found[f"{name}_change_pct"], found[f"{name}_change_reason"]
        if not old or new is None:
            assert value is None
            assert "period has no" in reason
        else:
            assert (Fraction(value), reason) == (reference.rounded((new - old) * 100 / old), None)


async def test_random_summaries_are_those_of_plain_python(client: Client) -> None:
    chance = random.Random(5)
    for _ in range(25):
        organisation, projects = chance.choice(["acme", "globex", "nobody"]), chance.choice([(), ("web",)])
        token = a_token(org_id=organisation, projects=list(projects), role="admin")
        start = START + timedelta(minutes=chance.randrange(7 * 24 * 60), seconds=chance.choice([0, 17.5]))
        length = chance.choice([timedelta(seconds=40), timedelta(hours=1), timedelta(hours=26), timedelta(days=3)])
        equal: dict[str, Any] = chance.choice([{}, {}, {"model": "a"}, {"provider": "openai"}, {"user_id": "u1"}])
        answer = await client.get(SUMMARY, token=token, from_=start, to=start + length, **equal)
        seen: dict[str, Any] = {"organisation": organisation, "projects": projects, **equal}
        rows = reference.requests(ROWS, start, start + length, **seen)
        before = reference.requests(ROWS, start - length, start, **seen)
        data, is_exact = answer.data, "user_id" in equal
        check_period(data["current_period"], rows, exact=is_exact)
        check_period(data["previous_period"], before, exact=is_exact)
        check_changes(data["changes"], before, rows)
        check_items(data["top_items"], rows)
        check_errors(data["quality"], rows)
        assert data["percentiles"]["method"] == ("percentile_disc" if is_exact else "log_histogram")
        assert (answer.json["meta"]["source"] == "raw") == is_exact
        expected = reference.coverage([*rows, *before])
        assert answer.json["meta"]["coverage"] == expected


async def test_whole_local_days_are_compared_with_local_days(client: Client) -> None:
    """The day of 23 hours in Berlin with the one before it."""
    zone = ZoneInfo("Europe/Berlin")
    days = [datetime(2024, 3, day, tzinfo=zone).astimezone(UTC) for day in (30, 31)] + [
        datetime(2024, 4, 1, tzinfo=zone).astimezone(UTC)
    ]
    answer = await client.get(SUMMARY, from_=days[1], to=days[2], tz="Europe/Berlin")
    previous = answer.data["previous_period"]
    assert datetime.fromisoformat(previous["start_time"]) == days[0]
    assert days[2] - days[1] == timedelta(hours=23)
    check_period(previous, reference.requests(ROWS, days[0], days[1]), exact=False)
    alone = await client.get(SUMMARY, from_=days[1], to=days[2], compare_previous_period="false")
    assert (alone.data["previous_period"], alone.data["changes"]) == (None, None)
    assert alone.data["current_period"] == answer.data["current_period"]


async def test_of_a_long_period_what_only_requests_say_is_left_out_with_its_reason(client: Client) -> None:
    answer = await client.get(SUMMARY, from_=START - timedelta(days=60), to=START + timedelta(days=8))
    current, quality = answer.data["current_period"], answer.data["quality"]
    check_period(current, reference.requests(ROWS, START, START + timedelta(days=8)), exact=False)
    assert (current["unique_sessions"], quality["most_common_errors"]) == (None, None)
    assert "at most 7 days" in current["unique_sessions_reason"]
    assert quality["most_common_errors_reason"] == current["unique_sessions_reason"]
    user = await client.get(SUMMARY, from_=START, to=START + timedelta(days=8), user_id="u1")
    assert (user.status, user.json["error_code"], user.json["field"]) == (400, "RANGE_TOO_LARGE", "user_id")


async def test_periods_that_are_not_whole_are_not_compared(database_url: str) -> None:
    await insert(database_url, [a_row(1), a_row(2, ts=T0 - timedelta(days=1))])
    await reference.refreshed(database_url)
    for table in ("rollup_floor", "rollup_horizon"):
        await execute(database_url, f"UPDATE {table} SET floor = $1", T0.replace(hour=0))
    async with a_service(database_url) as client:
        retained = await client.get(SUMMARY, from_=T0, to=T0 + HOUR)
        gone = await client.get(SUMMARY, from_=T0, to=T0 + timedelta(days=1))
        now = await client.get(SUMMARY, from_="now-1h", to="now+1h")
    assert retained.data["changes"]["requests_change_reason"] == "the previous period has no requests"
    assert gone.data["changes"]["requests_change_reason"] == "not all requests of both periods are retained"
    assert gone.data["current_period"]["unique_sessions_reason"] == "not all of the requests themselves are retained"
    assert gone.json["meta"]["incomplete"][0]["reason"] == "below_retention"
    assert now.data["changes"]["cost_change_reason"] == "the period is not over"


async def test_messages_of_errors_are_for_who_may_read_traces(database_url: str) -> None:
    """They may repeat a prompt. Neither who asks first nor the cache changes what one sees."""
    failed = {"status_code": "ERROR", "error_message": "no tool for: my secret 42"}
    await insert(database_url, [a_row(1, **failed), a_row(2, **failed, attributes={"error.type": "refused"})])
    no_words = [("", 1, None), ("refused", 1, None)]
    words = [("no tool for: my secret #", 1, failed["error_message"]), ("refused", 1, failed["error_message"])]
    billing, scoped = a_token(role="billing"), a_token(role="scoped", permissions=["metrics:read"])
    both = a_token(role="billing", permissions=["traces:read"])
    async with a_service(database_url) as client:
        for token, expected in [(a_token(), words), (billing, no_words), (both, words), (scoped, no_words)] * 2:
            quality = (await client.get(SUMMARY, token=token, from_=T0, to=T0 + HOUR)).data["quality"]
            found = [(one["error"], one["count"], one["sample_message"]) for one in quality["most_common_errors"]]
            assert found == expected
            assert quality["error_count"] == 2


async def test_no_more_than_ten_items_are_listed_as_shares_of_the_whole(database_url: str) -> None:
    await insert(database_url, [a_row(one, model=f"m{one:02}", total_cost_usd=Decimal(one)) for one in range(13)])
    async with a_service(database_url) as client:
        items = (await client.get(SUMMARY, from_=T0, to=T0 + HOUR)).data["top_items"]
    assert [one["model"] for one in items["by_cost"]] == [f"m{one:02}" for one in range(12, 2, -1)]
    assert items["by_cost"][0]["percentage"] == Decimal("15.384615384615")
    assert [one["model"] for one in items["by_requests"]] == [f"m{one:02}" for one in range(10)]
    assert (items["by_errors"], items["by_duration"]) == ([], [])
