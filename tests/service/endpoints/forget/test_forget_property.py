"""Whatever the rows: after a user is forgotten every answer is that of a store which never had the rows."""

import asyncio
import itertools
import random
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.forget import applied
from tests.support.keys import bearing
from tests.support.rollups import differences, refresh
from tests.support.service import T0, Client, a_row, a_service, a_token, insert

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
END = T0 + 3 * DAY
ROW = st.fixed_dictionaries(
    {
        "trace_id": st.sampled_from(["t0", "t1", "t2", "t3"]),
        "user_id": st.sampled_from([None, None, "ann", "ann", "bob"]),
        "ts": st.integers(0, 3 * 1440 - 1).map(lambda minute: T0 + timedelta(minutes=minute)),
        "is_request": st.sampled_from([True, True, False]),
        "project_id": st.sampled_from(["web", "batch"]),
        "team_id": st.sampled_from([None, "red"]),
        "tags": st.sampled_from([None, ["x"], ["x", "y"]]),
        "model": st.sampled_from(["m", "n"]),
        "total_tokens": st.none() | st.integers(0, 9),
        "duration_us": st.none() | st.integers(0, 10**7),
        "request_weight": st.sampled_from([1, 1, 5]),
    }
)
SPAN: dict[str, Any] = {"from_": T0 - DAY, "to": END}
METRICS = "request_count,total_cost,duration,total_tokens,unique_users"
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/api/v1/traces", {"include": "total,children,attributes", **SPAN}),
    *((f"/api/v1/traces/t{number}", {}) for number in range(4)),
    ("/api/v1/metrics", {"metrics": METRICS, "group_by": "user_id,model", "include_percentiles": True, **SPAN}),
    ("/api/v1/metrics", {"metrics": METRICS, "interval": "1day", "group_by": "project_id", **SPAN}),
    ("/api/v1/costs/summary", {"include_top_traces": True, **SPAN}),
    ("/api/v1/prices/coverage", SPAN),
)
numbers = itertools.count()


def remaining(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that stay, computed plainly: spans of a trace are looked for within a day of the user's."""

    def near(row: dict[str, Any]) -> bool:
        own = [each["ts"] for each in rows if each["trace_id"] == row["trace_id"] and each["user_id"] == "ann"]
        return bool(own) and min(own) - DAY <= row["ts"] <= max(own) + DAY

    shared = {row["trace_id"] for row in rows if row["user_id"] == "bob" and near(row)}
    return [
        row
        for row in rows
        if row["user_id"] == "bob" or (row["user_id"] is None and (row["trace_id"] in shared or not near(row)))
    ]


def token(organisation: str) -> str:
    return a_token(role="admin", org_id=organisation)


async def answers(client: Client, organisation: str) -> list[Any]:
    responses = [await client.get(path, token=token(organisation), **asked) for path, asked in QUESTIONS]
    return [(response.status, response.json.get("data")) for response in responses]


async def check(client: Client, url: str, rows: list[dict[str, Any]], *, refreshed: bool) -> None:
    number = next(numbers)
    stored, expected = f"stored-{number}", f"expected-{number}"
    numbered = [a_row(n, span_id=f"s{n}") | row for n, row in enumerate(rows)]
    connection = await asyncpg.connect(url)
    try:
        for organisation, each in ((stored, numbered), (expected, remaining(numbered))):
            if each:
                await insert(url, [{**row, "org_id": organisation} for row in each])
        if refreshed:
            await refresh(connection)
        done = await applied(client, headers=bearing(token(stored)))
        assert done["rows"] == done["rows_deleted"] == len(numbered) - len(remaining(numbered))
        assert await answers(client, stored) == await answers(client, expected)
        await refresh(connection)
        assert await differences(connection) == {}
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM rollup_part WHERE 'ann' = ANY(users) AND org_id = $1", stored
            )
            == 0
        )
        assert await answers(client, stored) == await answers(client, expected)
    finally:
        await connection.close()


def test_forgetting_is_never_having_had_the_rows(database_url: str) -> None:
    with asyncio.Runner() as runner:
        context = a_service(database_url)
        client = runner.run(context.__aenter__())

        @settings(max_examples=30)
        @given(rows=st.lists(ROW, min_size=1, max_size=12), refreshed=st.booleans())
        def matches(rows: list[dict[str, Any]], *, refreshed: bool) -> None:
            runner.run(check(client, database_url, rows, refreshed=refreshed))

        try:
            matches()
        finally:
            runner.run(context.__aexit__(None, None, None))


async def test_many_rows_of_many_days(database_url: str) -> None:
    """More than a transaction deletes, in an hour too."""
    chance = random.Random(3)

    def moment(number: int) -> datetime:
        return T0 if number < 6_000 else T0 + timedelta(seconds=chance.randrange(3 * 86_400))

    rows = [
        {
            "trace_id": f"t{number // 2}",
            "user_id": chance.choice(["ann", "bob"]) if number >= 6_000 else "ann",
            "ts": moment(number),
            "total_tokens": number,
        }
        for number in range(8_000)
    ]
    async with a_service(database_url) as client:
        await check(client, database_url, rows, refreshed=True)
