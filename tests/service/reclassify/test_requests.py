"""The command `requests`: rows that are stored count by the rules of now, and as before when that is undone."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.__main__ import run
from analytics_service.database.writers import writer_session
from analytics_service.ingest.nested import MAX_SPANS
from analytics_service.reclassify.apply import apply, save
from analytics_service.reclassify.plan import BATCH_TRACES, make
from analytics_service.worker.retention import Retention
from tests.support.service import a_row, insert

pytestmark = pytest.mark.postgres

Row = dict[str, Any]
MARKS = "SELECT trace_id, span_id, is_request, is_nested FROM traces ORDER BY org_id, trace_id, ts, span_id"
SUMS = "SELECT sum(request_count), sum(total_tokens_sum), sum(total_cost_usd_sum)::real FROM rollup_totals_1day"


@pytest.fixture
def requests(database_url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def call(*arguments: str) -> dict[str, Any]:
        code = run(["requests", *arguments, "--output", "json"], {"DATABASE_URL": database_url})
        output = capsys.readouterr()
        return {**json.loads(output.out or "{}"), "code": code, "error": output.err}

    return call


def nested_calls(trace: int, **changes: Any) -> list[Row]:
    """A call within a call, an hour apart, as a writer stores it that does not look at traces."""
    name = f"t{trace}"
    return [
        a_row(trace * 90, trace_id=name, span_id="outer", price_status="full", **changes),
        a_row(
            trace * 90 + 3600, trace_id=name, span_id="inner", parent_span_id="outer", price_status="full", **changes
        ),
    ]


def retained(url: str) -> None:
    """A turn of the worker's retention."""

    async def turn() -> None:
        async with writer_session(url, command="worker") as connection:
            await Retention()(connection)

    asyncio.run(turn())


def test_a_journal_ends_with_the_raw_rows_and_its_plan_with_it(
    database_url: str, requests: Any, ask: Callable[[str], str]
) -> None:
    asyncio.run(insert(database_url, [*nested_calls(1), *nested_calls(2, org_id="globex")]))
    plan = requests("plan")["plan"]
    asyncio.run(insert(database_url, nested_calls(3)))
    other = requests("plan")["plan"]
    for each in (plan, other):
        requests("apply", each)
    retained(database_url)
    assert ask("SELECT count(*) FROM reclassify_journal") == "3"
    ask("UPDATE reclassify_plan SET planned_at = now() - interval '8 days'")
    ask("UPDATE rollup_floor SET floor = '2024-04-01T00:00Z', dropped_until = '2024-04-01T00:00Z'")
    retained(database_url)
    assert ask("SELECT count(*) FROM reclassify_journal") == "0"
    assert ask("SELECT count(*) FROM reclassify_plan") == "0"


def test_a_plan_that_was_undone_ends_after_a_week(database_url: str, requests: Any, ask: Callable[[str], str]) -> None:
    asyncio.run(insert(database_url, nested_calls(1)))
    undone = requests("plan")["plan"]
    requests("apply", undone)
    requests("undo", undone)
    asyncio.run(insert(database_url, nested_calls(2)))
    applied = requests("plan")["plan"]
    requests("apply", applied)
    retained(database_url)
    assert ask("SELECT count(*) FROM reclassify_plan") == "2"
    ask("UPDATE reclassify_plan SET planned_at = now() - interval '8 days'")
    retained(database_url)
    assert ask("SELECT hash FROM reclassify_plan") == applied, "which can be undone"


def test_calls_within_calls_are_decided_again(database_url: str, requests: Any, ask: Callable[[str], str]) -> None:
    rows = [row for trace in range(600) for row in nested_calls(trace)]
    asyncio.run(insert(database_url, [*rows, a_row(1, trace_id="alone"), *nested_calls(1, org_id="globex")]))
    before = ask(MARKS)
    plan = requests("plan", "--organisation", "acme")
    change = {"organisation": "acme", "month": "2024-03", "nested": 600, "spans": 0, "requests": -600}
    assert plan["changes"] == [{**change, "total_tokens": -6000, "total_cost_usd": "-0.6"}]
    assert (plan["traces"], plan["code"]) == (600, 0)
    assert requests("plan", "--organisation", "acme")["plan"] == plan["plan"]
    assert ask(MARKS) == before

    assert requests("apply", plan["plan"])["rows"] == 600
    assert ask("SELECT org_id, span_id, count(*) FROM traces WHERE is_request GROUP BY 1, 2 ORDER BY 1, 2") == (
        "acme|inner|600\nacme|span|1\nglobex|inner|1\nglobex|outer|1"
    )
    assert ask(SUMS) == f"603|6030|{Decimal('0.603')}"
    assert requests("apply", plan["plan"])["rows"] == 0
    assert requests("plan", "--organisation", "acme")["plan"] is None

    assert requests("undo", plan["plan"])["rows"] == 600
    assert ask(MARKS) == before
    assert ask(SUMS) == f"1203|12030|{Decimal('1.203')}"
    refused = requests("apply", plan["plan"])
    assert (refused["code"], "is undone" in refused["error"]) == (2, True)
    again = requests("plan", "--organisation", "acme")["plan"]
    assert again != plan["plan"], "the hash of a plan that was begun never comes back"
    assert requests("apply", again)["rows"] == 600


def test_what_releases_before_mistook_is_a_span(database_url: str, requests: Any, ask: Callable[[str], str]) -> None:
    """They stored no status; a row of this release that says itself that it is a request stays one."""
    rows = [
        a_row(1, trace_id="t", span_id="agent", operation_type="AGENT"),
        a_row(2, trace_id="t", span_id="call", operation_type="chat", parent_span_id="agent"),
        a_row(3, trace_id="t", span_id="tool", operation_type="tool", parent_span_id="agent", total_cost_usd=None),
        a_row(4, trace_id="own", span_id="agent", operation_type="agent"),
    ]
    statuses = ["", "", "", "given"]
    rows = [{**row, "price_status": status} for row, status in zip(rows, statuses, strict=True)]
    asyncio.run(insert(database_url, rows))
    plan = requests("plan")
    assert [(each["spans"], each["nested"], each["requests"]) for each in plan["changes"]] == [(2, 0, -2)]
    requests("apply", plan["plan"])
    assert (
        ask("SELECT string_agg(trace_id || span_id, ' ' ORDER BY ts) FROM traces WHERE is_request") == "tcall ownagent"
    )


def test_undoing_leaves_what_others_have_decided_since(
    database_url: str, requests: Any, ask: Callable[[str], str]
) -> None:
    asyncio.run(insert(database_url, [row for trace in range(2) for row in nested_calls(trace)]))
    plan = requests("plan")
    requests("apply", plan["plan"])
    ask("UPDATE traces SET is_nested = false, operation_type = 'agent' WHERE trace_id = 't0' AND span_id = 'outer'")
    assert requests("undo", plan["plan"])["rows"] == 1
    assert ask("SELECT trace_id FROM traces WHERE is_request AND span_id = 'outer'") == "t1"


async def test_a_plan_that_was_stopped_goes_on(database_url: str, ask: Callable[[str], str]) -> None:
    rows = [row for trace in range(BATCH_TRACES + 1) for row in nested_calls(trace)]
    await insert(database_url, rows)
    async with writer_session(database_url, command="requests") as connection:
        plan = await make(connection, [], lambda *_: None)
        await save(connection, plan)
        digest = plan.hash
        async for done, total, changed in apply(connection, digest):
            assert (done, total, changed) == (BATCH_TRACES, BATCH_TRACES + 1, BATCH_TRACES)
            break
    assert ask("SELECT count(*) FROM traces WHERE is_nested") == str(BATCH_TRACES)
    async with writer_session(database_url, command="requests") as connection:
        assert [changed async for *_, changed in apply(connection, digest)] == [1]
    assert ask("SELECT count(*) FROM traces WHERE is_nested") == str(BATCH_TRACES + 1)


def test_a_trace_of_too_many_spans_stays_as_it_is(database_url: str, requests: Any) -> None:
    rows = [a_row(n, trace_id="t", span_id=f"s{n}", parent_span_id=f"s{n - 1}") for n in range(MAX_SPANS + 1)]
    asyncio.run(insert(database_url, rows))
    assert requests("plan")["plan"] is None


@pytest.mark.parametrize(("hash_", "says"), [("0" * 16, "there is no plan 0000000000000000"), ("x", "16 hex digits")])
def test_what_is_no_plan_is_said(requests: Any, hash_: str, says: str) -> None:
    refused = requests("apply", hash_)
    assert (refused["code"], says in refused["error"]) == (2, True)
