"""DELETE /api/v1/traces?user_id=: what a plan shows, what applying it deletes, and who may."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog

from tests.support.eventually import eventually
from tests.support.forget import PATH, applied, forget
from tests.support.keys import ADMIN, GLOBEX, bearing, documented
from tests.support.service import HOUR, T0, Client, a_row, a_token, insert

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
WEB = bearing(a_token(role="admin", projects=["web"]))
LEFT = "SELECT org_id || ' ' || trace_id || ' ' || span_id AS row FROM traces ORDER BY 1"


def a_trace(number: int, *users: str | None, **changes: Any) -> list[dict[str, Any]]:
    """A span each, an hour after the one before; the first is the outermost."""
    return [
        a_row(
            trace_id=f"t{number}",
            span_id=f"s{span}",
            parent_span_id=f"s{span - 1}" if span else None,
            ts=T0 + number * DAY + span * HOUR,
            user_id=user,
            **changes,
        )
        for span, user in enumerate(users)
    ]


async def left(connection: Any) -> list[str]:
    return [row["row"] for row in await connection.fetch(LEFT)]


async def test_a_plan_shows_what_would_be_deleted_and_deletes_nothing(
    client: Client, database_url: str, connection: Any
) -> None:
    rows = [
        *a_trace(0, "ann", None, None),
        *a_trace(1, "ann", "bob", None),
        *a_trace(2, "bob", None),
        *a_trace(3, "ann", is_request=False),
        *a_trace(4, None),
        *a_trace(5, "ann", org_id="globex"),
    ]
    await insert(database_url, rows)
    before = await left(connection)
    answer = await forget(client)
    documented(answer, PATH, "delete")
    plan = answer.json["data"]
    assert (plan["state"], plan["rows"], plan["rows_deleted"]) == ("planned", 5, 0)
    assert (plan["rows_without_user"], plan["rows_of_shared_traces"]) == (2, 1)
    assert [tuple(day.values()) for day in plan["days"]] == [
        ("2024-03-04", 3, 3, 30, Decimal("0.003")),
        ("2024-03-05", 1, 1, 10, Decimal("0.001")),
        ("2024-03-07", 1, 0, 0, 0),
    ]
    assert (plan["days_before_raw"], plan["raw_since"]) == ([], None)
    assert await left(connection) == before
    assert (await forget(client)).data == plan, "the same rows have the same hash"

    done = (await forget(client, plan=plan["plan"])).data
    assert done == {**plan, "state": "applied", "rows_deleted": 5}
    assert await left(connection) == [
        "acme t1 s1",
        "acme t1 s2",
        "acme t2 s0",
        "acme t2 s1",
        "acme t4 s0",
        "globex t5 s0",
    ]
    assert (
        await connection.fetchval("SELECT (SELECT count(*) FROM forget_plan) + (SELECT count(*) FROM forget_row)") == 0
    )
    nothing = (await forget(client)).data
    assert (nothing["plan"], nothing["rows"], nothing["days"]) == (None, 0, [])


async def test_what_arrives_later_is_stored_and_needs_a_plan_of_its_own(client: Client, database_url: str) -> None:
    await insert(database_url, a_trace(0, "ann"))
    plan = (await forget(client)).data["plan"]
    assert (await applied(client))["rows_deleted"] == 1
    await insert(database_url, a_trace(0, "ann"))
    assert (await client.get("/api/v1/traces/t0")).status == 200
    again = (await forget(client)).data
    assert (again["plan"], again["rows"]) == (plan, 1), "the same rows, which came again"
    assert (await applied(client))["rows_deleted"] == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            'INSERT INTO traces SELECT (jsonb_populate_record(t, \'{"span_id": "new"}\')).* FROM traces AS t LIMIT 1',
            id="a row more",
        ),
        pytest.param("DELETE FROM traces WHERE span_id = 's1'", id="a row less"),
        pytest.param("UPDATE traces SET span_id = 'other' WHERE span_id = 's1'", id="another row"),
        pytest.param("UPDATE traces SET total_cost_usd = 7", id="other costs"),
        pytest.param("UPDATE traces SET user_id = 'bob' WHERE span_id = 's1'", id="another user"),
    ],
)
async def test_a_plan_that_is_out_of_date_is_refused_and_deletes_nothing(
    client: Client, database_url: str, connection: Any, change: str
) -> None:
    await insert(database_url, a_trace(0, "ann", "ann"))
    plan = (await forget(client)).data["plan"]
    await connection.execute(change)
    before = await left(connection)
    answer = await forget(client, plan=plan)
    documented(answer, PATH, "delete")
    assert (answer.status, answer.json["error_code"], answer.json["field"]) == (409, "PLAN_OUTDATED", "plan")
    assert "without plan" in answer.json["detail"]
    assert await left(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM forget_plan") == 0


async def test_a_plan_is_of_one_user_one_organisation_and_its_projects(client: Client, database_url: str) -> None:
    rows = [*a_trace(0, "ann"), *a_trace(1, "bob"), *a_trace(2, "ann", org_id="globex")]
    await insert(database_url, rows)
    plan = (await forget(client)).data["plan"]
    for user, headers in (("bob", ADMIN), ("ann", GLOBEX), ("ann", WEB), ("eve", ADMIN)):
        assert (await forget(client, user, headers, plan=plan)).status == 409
    assert (await forget(client, plan=plan)).data["rows_deleted"] == 1
    assert (await forget(client, plan=plan)).status == 409, "which was applied"
    assert (await forget(client, "eve", plan="0" * 16)).status == 409, "nothing can be applied to nobody"


async def test_who_has_projects_forgets_within_them(client: Client, database_url: str, connection: Any) -> None:
    """A row of another project is neither deleted nor looked at."""
    await insert(
        database_url,
        [
            *a_trace(0, "ann", None),
            *a_trace(1, "ann", project_id="batch"),
            a_row(trace_id="t0", span_id="s9", ts=T0, user_id="bob", project_id="batch"),
            a_row(trace_id="t0", span_id="s8", ts=T0, user_id=None, project_id="batch"),
        ],
    )
    plan = (await forget(client, headers=WEB)).data
    assert (plan["rows"], plan["rows_of_shared_traces"]) == (2, 0)
    await applied(client, headers=WEB)
    assert await left(connection) == ["acme t0 s8", "acme t0 s9", "acme t1 s0"]
    assert (await applied(client))["rows_deleted"] == 1


@pytest.mark.parametrize(
    ("token", "status"),
    [
        pytest.param(a_token(role="admin"), 200, id="admin"),
        pytest.param(a_token(role="viewer", permissions=["traces:delete"]), 200, id="the permission"),
        pytest.param(a_token(role="developer"), 403, id="developer"),
        pytest.param(a_token(role="viewer"), 403, id="viewer"),
        pytest.param(a_token(role="scoped", permissions=["traces:write", "traces:read"]), 403, id="who sends"),
    ],
)
async def test_it_needs_a_permission(client: Client, token: str, status: int) -> None:
    assert (await forget(client, headers=bearing(token))).status == status


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "a\0"}, "user_id"),
        ({"user_id": "a" * 257}, "user_id"),
        ({"user_id": "ann", "plan": "x"}, "plan"),
        ({"user_id": "ann", "from": "now-1d"}, "from"),
    ],
)
async def test_a_wrong_parameter_is_named(client: Client, query: dict[str, str], field: str) -> None:
    answer = await client.request("DELETE", PATH, params=query, headers=ADMIN)
    assert (answer.status, answer.json["field"]) == (400, field)


async def test_no_answer_names_the_user_any_more(client: Client, database_url: str) -> None:
    """Within the age that answers have; those that are cached and replayed, too."""
    await insert(database_url, [*a_trace(0, "ann", None, input_text="the words"), *a_trace(1, "bob")])
    span: dict[str, Any] = {"from_": T0, "to": T0 + 2 * DAY}
    asked: dict[str, dict[str, Any]] = {
        "/api/v1/traces": {"include": "io", **span},
        "/api/v1/traces/t0": {"include": "io"},
        "/api/v1/metrics": {"metrics": "request_count,unique_users", "group_by": "user_id", **span},
    }

    async def named(path: str) -> bool:
        answer = await client.get(path, **asked[path])
        return b'"ann"' in answer.body or b"the words" in answer.body

    assert all([await named(path) for path in asked])
    await applied(client)

    async def forgotten() -> bool:
        return not any([await named(path) for path in asked])

    await eventually(forgotten, seconds=5)


async def test_the_log_has_numbers_and_no_user(client: Client, database_url: str) -> None:
    await insert(database_url, a_trace(0, "user-of-the-log", None))
    with structlog.testing.capture_logs() as logs:
        done = await applied(client, "user-of-the-log")
    (line,) = [each for each in logs if each["event"] == "a user was forgotten"]
    assert (line["log_level"], line["rows_deleted"], line["plan"]) == ("info", "2", done["plan"])
    assert "user-of-the-log" not in str(logs)


async def test_journals_forget_the_rows_too(client: Client, database_url: str, connection: Any) -> None:
    await insert(database_url, [*a_trace(0, "ann"), *a_trace(1, "bob")])
    keys = "org_id, trace_id, span_id, ts FROM traces"
    await connection.execute("INSERT INTO reclassify_plan (hash, state, changes) VALUES ('p', 'applied', '[]')")
    await connection.execute(
        "INSERT INTO reclassify_journal (plan, is_request, is_nested, new_is_request, new_is_nested, "
        f"org_id, trace_id, span_id, ts) SELECT 'p', true, false, false, false, {keys}"
    )
    await connection.execute(
        "INSERT INTO reprice_plan (hash, state, scope, books, changes) VALUES ('p', 'applied', '{}', '{}', '[]')"
    )
    await connection.execute(
        f"INSERT INTO reprice_journal (plan, old_price_status, new_price_status, org_id, trace_id, span_id, ts) "
        f"SELECT 'p', '', '', {keys}"
    )
    await applied(client)
    for journal in ("reclassify_journal", "reprice_journal"):
        assert [row[0] for row in await connection.fetch(f"SELECT trace_id FROM {journal}")] == ["t1"]


async def test_two_who_apply_a_plan_at_once_delete_each_row_once(client: Client, database_url: str) -> None:
    await insert(database_url, [row for number in range(30) for row in a_trace(number, "ann", "ann")])
    plan = (await forget(client)).data["plan"]
    answers = await asyncio.gather(*(forget(client, plan=plan) for _ in range(3)))
    assert {answer.status for answer in answers} <= {200, 409}
    assert [answer.data["rows_deleted"] for answer in answers if answer.status == 200][-1:] == [60]
    assert (await forget(client)).data["rows"] == 0


async def test_a_plan_that_nobody_went_on_with_ends(client: Client, database_url: str, connection: Any) -> None:
    await insert(database_url, [*a_trace(0, "ann"), *a_trace(1, "bob")])
    await connection.execute(
        "INSERT INTO forget_plan (org_id, hash, report, began_at) SELECT org, 'old', '{}', now() - interval '8 days' "
        "FROM unnest(ARRAY['acme', 'globex']) AS each (org)"
    )
    await applied(client)
    assert [row[0] for row in await connection.fetch("SELECT org_id FROM forget_plan")] == ["globex"]
