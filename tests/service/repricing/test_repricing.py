"""Plans show what other prices would change of stored rows, and apply just that; undoing gives back what was there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from analytics_service.database.plan_state import PlanState
from analytics_service.errors import DatabaseError, UsageError
from analytics_service.repricing import apply, store
from analytics_service.repricing.books import Books
from analytics_service.repricing.journal import forget, retain_journal
from analytics_service.repricing.plan import Change, Group, WithoutRaw
from analytics_service.repricing.scope import Scope
from analytics_service.repricing.store import HourState
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.worker.retention import Retention
from tests.service.repricing.stored import (
    CHEAP,
    DEAR,
    HOUR,
    T0,
    a_request,
    applied,
    book,
    content,
    imported,
    planned,
    prices,
    undone,
)
from tests.support.eventually import eventually
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

UNCLEAR = {"cached_tokens": 2_000_000, "total_tokens": 7_000_000}


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


@pytest.fixture
async def other(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


async def test_a_plan_says_what_would_change_by_organisation_model_and_month(connection: Any) -> None:
    rows = [a_request(n) for n in range(3)] + [a_request(3, organisation="other", model="new", completion_tokens=0)]
    await imported(connection, [*rows, a_request(4, total_cost_usd=9)], CHEAP)
    before = await content(connection)
    both = book(
        "both", {"model": "m", "per_million": {"input": 2, "output": 4}}, {"model": "new", "per_million": {"input": 3}}
    )
    made = await planned(connection, both)
    assert sorted(made.changes) == [Group("acme", "m", "2024-03"), Group("other", "new", "2024-03")]
    acme, new = (made.changes[each] for each in sorted(made.changes))
    assert acme == Change(rows=3, from_usd=Decimal(6), to_usd=Decimal(12))
    assert new == Change(rows=1, to_usd=Decimal(3), unpriced_before=1)
    assert (made.total.rows, made.total.to_usd) == (4, Decimal(15))
    assert (len(made.hours), made.read) == (2, 4)
    assert await content(connection) == before


async def test_applying_is_as_importing_with_the_new_prices(connection: Any) -> None:
    shapes: list[dict[str, Any]] = [
        {"cached_tokens": 200_000},
        {"completion_tokens": None},
        {"model": "unknown"},
        {"service_tier": "batch"},
        {"total_cost_usd": "0.25"},
        {"prompt_cost_usd": "0.25"},
        {"operation_type": "agent"},
        UNCLEAR,
        {"web_searches": 3},
    ]
    for organisation, books in (("acme", CHEAP), ("new", DEAR)):
        requests = [a_request(n, organisation=organisation, **shape) for n, shape in enumerate(shapes)]
        await imported(connection, requests, books)
    assert await prices(connection) != await prices(connection, organisation="new")
    made = await planned(connection, DEAR, Scope(organisations=("acme",)))
    await applied(connection, made.hash)
    assert await prices(connection) == await prices(connection, organisation="new")
    assert not (await planned(connection, DEAR)).hours, "what was applied is not planned again"


async def test_undoing_gives_back_every_byte(connection: Any) -> None:
    await imported(connection, [a_request(n) for n in range(20)], CHEAP)
    await connection.execute("UPDATE traces SET total_cost_usd = 2.000 WHERE span_id = 'span-0003'")
    before = await content(connection)
    made = await planned(connection, DEAR)
    await applied(connection, made.hash)
    after = await content(connection)
    assert not set(before) & set(after)
    steps = await undone(connection, made.hash)
    assert await content(connection) == before
    assert [step.hour.start for step in steps] == sorted((hour.start for hour in made.hours), reverse=True)
    assert await connection.fetchval("SELECT count(*) FROM reprice_journal") == 0
    assert await undone(connection, made.hash) == []


async def test_a_row_that_others_have_changed_since_is_left_and_counted(connection: Any) -> None:
    await imported(connection, [a_request(n) for n in range(3)], CHEAP)
    made = await planned(connection, DEAR)
    await applied(connection, made.hash)
    await connection.execute("UPDATE traces SET total_cost_usd = 7, price_status = 'given' WHERE span_id = 'span-0001'")
    (step,) = await undone(connection, made.hash)
    assert (step.done.rows, step.done.left) == (2, 1)
    assert [row[4] for row in await prices(connection)] == [2, 7, 2]


async def test_the_same_price_by_another_book_changes_nothing(connection: Any) -> None:
    await imported(connection, [a_request(n) for n in range(3)], CHEAP)
    same = book("same", {"model": "m", "per_million": {"input": 1, "output": 2}})
    assert not (await planned(connection, same)).hours


async def test_a_cost_that_came_with_a_request_stays(connection: Any) -> None:
    """So it does where a release before 0.4 stored it, which knew no status."""
    await imported(connection, [a_request(0, total_cost_usd=1), a_request(1, prompt_cost_usd=1), a_request(2)], CHEAP)
    await imported(connection, [a_request(3, total_cost_usd=1), a_request(4), a_request(5, model="no")], CHEAP)
    old = "UPDATE traces SET price_status = '', price_version = {} WHERE span_id = ANY($1)"
    await connection.execute(old.format("NULL"), ["span-0003", "span-0005"])
    await connection.execute(old.format("'genai-prices 0.0.1'"), ["span-0004"])
    both = book("both", *({"model": name, "per_million": {"input": 2, "output": 4}} for name in ("m", "no")))
    await applied(connection, (await planned(connection, both)).hash)
    assert [row[4] for row in await prices(connection)] == [1, 1, 4, 1, 4, 4]


async def test_a_request_whose_usage_is_unclear_stays_without_a_price(connection: Any) -> None:
    await imported(connection, [a_request(0, **UNCLEAR), a_request(1)], CHEAP)
    await connection.execute("UPDATE traces SET price_status = '', cached_tokens = 2000000 WHERE span_id = 'span-0001'")
    before = await content(connection)
    assert not (await planned(connection, DEAR)).hours
    assert await content(connection) == before


async def test_a_scope_narrows_a_plan(connection: Any) -> None:
    await imported(connection, [a_request(n) for n in range(8)] + [a_request(9, model="n")], CHEAP)
    both = book("both", *({"model": name, "per_million": {"input": 2, "output": 4}} for name in ("m", "n")))

    async def rows(**scope: Any) -> int:
        return (await planned(connection, both, Scope(**scope))).total.rows

    assert await rows() == 9
    assert await rows(models=("n",)) == 1
    assert await rows(organisations=("other",)) == 0
    assert await rows(start=T0 + HOUR / 2, end=T0 + HOUR + HOUR / 4) == 3
    assert await rows(only_unpriced=True) == 1
    made = await planned(connection, both, Scope(start=T0 + HOUR / 2, end=T0 + HOUR + HOUR / 4))
    await applied(connection, made.hash)
    assert [row[4] for row in await prices(connection)] == [2, 2, 4, 4, 4, 2, 2, 2, None]


async def test_rows_that_came_since_have_the_price_of_the_plan_too(connection: Any) -> None:
    await imported(connection, [a_request(0)], CHEAP)
    made = await planned(connection, DEAR)
    await imported(connection, [a_request(1)], CHEAP)
    (step,) = await applied(connection, made.hash)
    assert step.done.rows == 2
    assert [row[4] for row in await prices(connection)] == [4, 4]


async def test_an_alias_is_part_of_a_plan(connection: Any) -> None:
    await imported(connection, [a_request(0, model="team-chat")], CHEAP)
    made = await planned(connection, replace(DEAR, aliases={"team-chat": "m"}))
    await applied(connection, made.hash)
    assert [row[4] for row in await prices(connection)] == [4]


async def test_rollups_follow(connection: Any) -> None:
    await imported(connection, [a_request(n) for n in range(20)], CHEAP)
    await refresh(connection)
    sums = "SELECT sum(total_cost_usd_sum) FROM rollup_totals_1hour"
    assert await connection.fetchval(sums) == 40
    await applied(connection, (await planned(connection, DEAR)).hash)
    await refresh(connection)
    assert await connection.fetchval(sums) == 80


BLOCKED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%written%')"


async def test_a_row_that_changes_meanwhile_is_priced_as_it_is_then(
    connection: Any, other: Any, edition_url: str
) -> None:
    await imported(connection, [a_request(0), a_request(1)], CHEAP)
    made = await planned(connection, DEAR)
    watcher = await asyncpg.connect(edition_url)
    async with other.transaction():
        await other.execute("UPDATE traces SET completion_tokens = 0 WHERE span_id = 'span-0001'")
        running = asyncio.create_task(applied(connection, made.hash))
        await eventually(lambda: watcher.fetchval(BLOCKED))
        assert [row[4] for row in await prices(watcher)] == [2, 2]
    await running
    assert [row[4] for row in await prices(watcher)] == [4, 2]
    await watcher.close()


async def test_a_second_process_says_who_is_first(connection: Any, other: Any) -> None:
    await imported(connection, [a_request(0)], CHEAP)
    made = await planned(connection, DEAR)
    await applied(connection, made.hash)  # the session holds the lock to its end
    with pytest.raises(DatabaseError, match=f"process {connection.get_server_pid()}"):
        await undone(other, made.hash)


async def test_one_plan_is_ended_before_another_begins(connection: Any) -> None:
    await imported(connection, [a_request(0), a_request(8)], CHEAP)
    first = await planned(connection, DEAR)
    second = await planned(connection, DEAR, Scope(end=T0 + HOUR))
    with pytest.raises(UsageError, match="never applied"):
        await undone(connection, second.hash)
    steps = apply.apply(connection, first.hash, settle_seconds=0)
    await anext(steps)
    await steps.aclose()
    for work in (applied(connection, second.hash), planned(connection, CHEAP), forget(connection, first.hash)):
        with pytest.raises(UsageError, match=f"plan {first.hash} is not done"):
            await work
    await undone(connection, first.hash)
    with pytest.raises(UsageError, match="was undone"):
        await applied(connection, first.hash)
    assert [row[4] for row in await prices(connection)] == [2, 2]
    again = await planned(connection, DEAR)
    assert again.hash != first.hash, "the hash of a plan that was begun never comes back"
    await applied(connection, again.hash)
    assert [row[4] for row in await prices(connection)] == [4, 4]


async def test_a_plan_is_forgotten_with_its_journal(connection: Any) -> None:
    await imported(connection, [a_request(0)], CHEAP)
    made = await planned(connection, DEAR)
    await applied(connection, made.hash)
    await forget(connection, made.hash)
    assert await connection.fetchval("SELECT count(*) FROM reprice_journal") == 0
    with pytest.raises(UsageError, match="there is no plan"):
        await undone(connection, made.hash)
    assert [row[4] for row in await prices(connection)] == [4]


async def test_a_plan_of_another_price_list_is_not_applied(connection: Any) -> None:
    await imported(connection, [a_request(0)], CHEAP)
    made = await planned(connection, DEAR)
    await connection.execute('UPDATE reprice_plan SET books = books || \'{"price_list": "genai-prices 0.0.1"}\'')
    with pytest.raises(UsageError, match=r"genai-prices 0\.0\.1"):
        await applied(connection, made.hash)
    assert [row[4] for row in await prices(connection)] == [2]


async def test_requests_of_which_rollups_alone_are_left_keep_their_price(connection: Any) -> None:
    day = timedelta(days=1)
    await imported(connection, [a_request(n) for n in (0, 1, 200)], CHEAP)
    await refresh(connection)
    early = await planned(connection, DEAR)
    midnight = (T0 + day).replace(hour=0)
    async for _ in retain_raw(connection, midnight):
        pass
    made = await planned(connection, DEAR)
    assert (made.total.rows, made.without_raw) == (1, WithoutRaw(requests=2, before=midnight))
    await applied(connection, early.hash)
    counts = await store.counts(connection, early.hash)
    assert (counts[HourState.EXPIRED][0], counts[HourState.APPLIED]) == (1, (1, 1))
    await refresh(connection)
    assert await connection.fetchval("SELECT sum(total_cost_usd_sum) FROM rollup_totals_1day") == 2 * 2 + 4


async def test_a_journal_ends_with_the_raw_rows(connection: Any) -> None:
    await imported(connection, [a_request(n) for n in (0, 1, 200)], CHEAP)
    made = await planned(connection, DEAR)
    await applied(connection, made.hash)
    await refresh(connection)
    assert [rows async for rows in retain_journal(connection)] == []
    async for _ in retain_raw(connection, (T0 + timedelta(days=1)).replace(hour=0)):
        pass
    await Retention()(connection)  # as the worker does
    assert [rows async for rows in retain_journal(connection)] == []
    assert await connection.fetchval("SELECT count(*) FROM reprice_journal") == 1
    (step,) = await undone(connection, made.hash)
    assert step.done.rows == 1
    assert (await store.load(connection, made.hash)).state is PlanState.UNDONE


async def test_nothing_known_is_nothing_planned(connection: Any) -> None:
    made = await planned(connection, Books())
    assert (made.read, dict(made.hours)) == (0, {})


async def test_a_nested_call_that_becomes_a_request_again_has_its_new_price(connection: Any) -> None:
    """It is among the rows of a plan, and its cost is not: nothing counts it."""
    outer = a_request(0, trace_id="t", span_id="outer")
    inner = a_request(1, trace_id="t", span_id="inner", parent_span_id="outer")
    await imported(connection, [outer, inner], CHEAP)
    assert await connection.fetchval("SELECT is_nested FROM traces WHERE span_id = 'outer'")
    made = await planned(connection, DEAR)
    assert [made.total.rows, made.total.from_usd, made.total.to_usd] == [2, 2, 4]
    await applied(connection, made.hash)
    assert [cost for _, _, _, _, cost, *_ in await prices(connection)] == [4, 4]
    await connection.execute("DELETE FROM traces WHERE span_id = 'inner'")
    await imported(connection, [a_request(2, trace_id="t", span_id="other")], DEAR)
    assert await connection.fetchval("SELECT is_request AND total_cost_usd = 4 FROM traces WHERE span_id = 'outer'")
