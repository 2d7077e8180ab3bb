"""Days whose raw rows have ended: their sums stay, and nothing in them names the user."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from analytics_service.commands import routes
from analytics_service.endpoints.traces.forget import ENDPOINT
from analytics_service.rollups.hierarchy.columns import MEASURES
from tests.service.rollups.retention import retained
from tests.support.eventually import eventually
from tests.support.forget import applied, forget
from tests.support.keys import bearing
from tests.support.rollups import refresh
from tests.support.service import T0, Client, a_row, a_token, insert

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
MIDNIGHT = T0.replace(hour=0)
USERS = ("ann", "ann", "bob", None)
ROWS = [
    a_row(
        trace_id=f"t{day}{hour}{number}",
        ts=MIDNIGHT + day * DAY + timedelta(hours=hour),
        user_id=user,
        project_id=project,
        total_tokens=number,
    )
    for day in range(12)
    for hour in (1, 13)
    for number, (user, project) in enumerate((user, project) for user in USERS for project in ("web", "batch"))
]
TOTALS = "SELECT sum(request_count)::int, sum(total_tokens_sum) FROM {} WHERE org_id = 'acme'"
RAW_FROM = MIDNIGHT + 9 * DAY


@pytest.fixture
async def ended(database_url: str, connection: Any) -> None:
    """Nine of twelve days have no raw rows any more."""
    await insert(database_url, [*ROWS, *({**row, "org_id": "globex"} for row in ROWS)])
    await refresh(connection)
    await retained(connection, RAW_FROM)


async def by_user(connection: Any, *, organisation: str = "acme") -> dict[tuple[bool, str | None], tuple[int, int]]:
    """Requests and tokens by whether there is raw, and by user."""
    rows = await connection.fetch(
        "SELECT bucket >= $2, user_id, sum(request_count)::int, sum(total_tokens_sum)::int FROM rollup_user_1day "
        "WHERE org_id = $1 GROUP BY 1, 2",
        organisation,
        RAW_FROM,
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def totals(connection: Any) -> list[tuple[int, int]]:
    tables = ("rollup_totals_1min", "rollup_totals_1hour", "rollup_totals_1day", "rollup_user_1day", "rollup_team_1day")
    return [tuple(await connection.fetchrow(f"{TOTALS.format(table)} AND bucket < $1", RAW_FROM)) for table in tables]


@pytest.mark.usefixtures("ended")
async def test_the_user_becomes_nobody_and_sums_stay(client: Client, connection: Any) -> None:
    before, elsewhere = await totals(connection), await by_user(connection, organisation="globex")
    plan = (await forget(client)).data
    assert plan["days_before_raw"] == [{"day": f"{MIDNIGHT + day * DAY:%Y-%m-%d}", "requests": 8} for day in range(9)]
    assert datetime.fromisoformat(plan["raw_since"]) == RAW_FROM
    assert (plan["rows"], len(plan["days"])) == (24, 3)
    await applied(client)
    await refresh(connection)
    assert await totals(connection) == before
    assert await by_user(connection) == {
        (False, None): (9 * 12, 9 * 2 * (0 + 1 + 2 + 3 + 6 + 7)),
        (False, "bob"): (9 * 4, 9 * 2 * (4 + 5)),
        (True, None): (3 * 4, 3 * 2 * (6 + 7)),
        (True, "bob"): (3 * 4, 3 * 2 * (4 + 5)),
    }
    assert await by_user(connection, organisation="globex") == elsewhere
    assert (
        await connection.fetchval("SELECT count(*) FROM rollup_part WHERE 'ann' = ANY(users) AND org_id = 'acme'") == 0
    )
    assert (await forget(client)).data["plan"] is None


@pytest.mark.usefixtures("ended")
async def test_who_has_projects_changes_the_days_of_these(client: Client, connection: Any) -> None:
    headers = bearing(a_token(role="admin", projects=["web"]))
    assert (await applied(client, headers=headers))["rows_deleted"] == 12
    await refresh(connection)
    assert (await by_user(connection))[False, "ann"] == (9 * 4, 9 * 2 * (1 + 3))
    assert [each["requests"] for each in (await forget(client, headers=headers)).data["days_before_raw"]] == []
    assert (await forget(client)).data["days_before_raw"][0]["requests"] == 4


@pytest.mark.usefixtures("ended")
async def test_answers_of_before_are_not_given_any_more(client: Client) -> None:
    asked: dict[str, Any] = {"from_": MIDNIGHT, "to": MIDNIGHT + 12 * DAY, "interval": "1day", "group_by": "user_id"}

    async def users() -> dict[str | None, int]:
        counts: dict[str | None, int] = {}
        for point in (await client.get("/api/v1/metrics", metrics="request_count", **asked)).data["data"]:
            counts[point.get("user_id")] = counts.get(point.get("user_id"), 0) + point["request_count"]
        return counts

    assert await users() == {"ann": 96, "bob": 48, None: 48}
    await applied(client)

    async def forgotten() -> bool:
        return await users() == {"bob": 48, None: 48 + 72}

    await eventually(forgotten, seconds=5)


async def test_rows_of_a_partition_that_has_not_ended_are_deleted_and_change_no_sum(
    client: Client, database_url: str, connection: Any
) -> None:
    await insert(database_url, ROWS)
    await refresh(connection)
    before = await totals(connection)
    await connection.execute("UPDATE rollup_floor SET floor = $1, dropped_until = $1", RAW_FROM)
    plan = (await forget(client)).data
    assert (plan["rows"], sum(day["requests"] for day in plan["days"])) == (96, 24)
    assert (await applied(client))["rows_deleted"] == 96
    await refresh(connection)
    assert await totals(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM traces WHERE user_id = 'ann'") == 0


async def test_rows_that_end_with_their_retention_while_a_plan_is_applied(
    client: Client, database_url: str, connection: Any
) -> None:
    """Their days have the user still, when the rows are gone that the plan would have deleted."""
    await insert(database_url, ROWS)
    await refresh(connection)
    plan = (await forget(client)).data["plan"]
    params = routes.parse(ENDPOINT, {"user_id": "ann", "plan": plan}, {})
    caller = routes.administrator("acme", subject="a test")
    steps = [await routes.run(ENDPOINT, params, caller, connection, {}) for _ in range(3)]
    assert [step.more for step in steps] == [True] * 3
    await retained(connection, RAW_FROM)
    assert (False, "ann") in await by_user(connection)
    answer = (await forget(client, plan=plan)).data
    assert (answer["state"], answer["rows_deleted"]) == ("applied", 2 * 4 + 3 * 2 * 4)
    await refresh(connection)
    assert {user for _, user in await by_user(connection)} == {"bob", None}
    assert (await forget(client)).data["plan"] is None


async def test_rollups_of_the_release_before_forget_too(client: Client, database_url: str, connection: Any) -> None:
    """Its pods may still read them, and a day that is not converted yet is made of them."""
    await insert(database_url, [a_row(ts=RAW_FROM, user_id="ann")])
    await connection.execute("UPDATE rollup_floor SET floor = $1, dropped_until = $1", RAW_FROM)
    measures = [name for name in MEASURES if name != "total_tokens"]
    await connection.execute(
        f"""INSERT INTO rollup_1day_user (bucket, org_id, project_id, environment, provider, model, operation_type,
        status_code, {", ".join(f"{name}_count" for name in measures)},
        user_id, request_count, total_tokens_sum, total_tokens_count, total_tokens_min, total_tokens_max)
        SELECT $1, 'acme', 'web', 'e', 'p', 'm', 'chat', 'OK', {", ".join("0" for _ in measures)}, each.*
        FROM (VALUES ('ann', 2, 7::numeric, 2, 3, 4), (NULL, 1, 9, 1, 9, 9), ('bob', 1, 5, 1, 5, 5)) AS each""",
        MIDNIGHT,
    )
    await applied(client)
    rows = await connection.fetch(
        "SELECT user_id, request_count, total_tokens_sum, total_tokens_count, total_tokens_min, total_tokens_max "
        "FROM rollup_1day_user WHERE bucket = $1 ORDER BY 1 NULLS FIRST",
        MIDNIGHT,
    )
    assert [tuple(row) for row in rows] == [(None, 3, 16, 3, 3, 9), ("bob", 1, 5, 1, 5, 5)]
