"""Whatever is written and whenever it is refreshed, each level answers what the ledger says."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.hierarchy.latency import RANKS
from analytics_service.rollups.hierarchy.refresh import Refreshed
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level
from tests.service.rollups.ledger import COLUMNS, DAY, SUMMED, Span, answered, expected, insert, moved
from tests.support.rollups import refresh
from tests.support.service import a_row
from tests.support.service import insert as insert_rows

pytestmark = pytest.mark.postgres

WEEK = timedelta(days=7)
EVERYTHING = (DAY - WEEK, DAY + WEEK)
LEVELS = (Level.RAW, *SUMMED)


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


def spans(count: int, *, every: timedelta = timedelta(minutes=7), **fields: Any) -> list[Span]:
    return [
        Span(trace_id=f"t{n}", ts=DAY + n * every, prompt_tokens=n, total_cost_usd=Decimal(n) / 10**8, **fields)
        for n in range(count)
    ]


async def assert_answers(connection: Any, ledger: list[Span]) -> None:
    for level in LEVELS:
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level


async def test_requests_are_answered_before_and_after_a_refresh(connection: Any) -> None:
    ledger = spans(300)
    await insert(connection, ledger)
    await assert_answers(connection, ledger)
    assert (await refresh(connection)).entries > 0
    for log in ("rollup_log", "rollup_stale"):
        assert await connection.fetchval(f"SELECT count(*) FROM {log}") == 0
    assert await connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 300
    await assert_answers(connection, ledger)
    assert await refresh(connection) == Refreshed()


async def test_copy_insert_update_and_delete_all_mark_their_buckets(connection: Any) -> None:
    ledger = spans(50)
    await insert(connection, ledger)
    await refresh(connection)
    first, second, third = ledger[:3]
    await connection.execute("DELETE FROM traces WHERE trace_id = $1", first.trace_id)
    await connection.execute("UPDATE traces SET prompt_tokens = 1000 WHERE trace_id = $1", second.trace_id)
    await connection.execute("UPDATE traces SET ts = ts + interval '3 hours' WHERE trace_id = $1", third.trace_id)
    ledger = [moved(second, prompt_tokens=1000), moved(third, ts=third.ts + timedelta(hours=3)), *ledger[3:]]
    await assert_answers(connection, ledger)
    await refresh(connection)
    await assert_answers(connection, ledger)


@pytest.mark.parametrize("statement", ["DELETE FROM traces", "TRUNCATE traces"])
async def test_a_group_that_vanishes_leaves_no_row(connection: Any, statement: str) -> None:
    await insert(connection, [Span(trace_id="t", ts=DAY)])
    await refresh(connection)
    await connection.execute(statement)
    await refresh(connection)
    for table in Table:
        assert await connection.fetchval(f"SELECT count(*) FROM {table.sql}") == 0, table


async def test_parents_that_are_no_requests_are_not_billed_twice(connection: Any) -> None:
    ledger = [Span(trace_id="t", ts=DAY), Span(trace_id="t", span_id="parent", ts=DAY, is_request=False)]
    await insert(connection, ledger)
    await refresh(connection)
    await assert_answers(connection, ledger)


async def test_organisations_never_meet(connection: Any) -> None:
    ledger = [*spans(5), *(moved(span, org_id="other") for span in spans(9))]
    await insert(connection, ledger)
    await assert_answers(connection, ledger)
    await refresh(connection)
    await assert_answers(connection, ledger)


async def test_projects_are_chosen_in_clean_and_in_dirty_buckets(connection: Any) -> None:
    ledger = [moved(span, project_id=project) for span, project in zip(spans(60), itertools.cycle("abc"), strict=False)]
    await insert(connection, ledger[:40])
    await refresh(connection)
    await insert(connection, ledger[40:])
    chosen = [span for span in ledger if span.project_id in {"a", "c"}]
    for level in LEVELS:
        assert await answered(connection, level, *EVERYTHING, ["a", "c"]) == expected(chosen, *EVERYTHING, level)


async def test_a_writer_in_flight_while_its_bucket_is_refreshed_is_not_lost(edition_url: str, connection: Any) -> None:
    early, late = Span(trace_id="early", ts=DAY), Span(trace_id="late", ts=DAY + timedelta(seconds=1))
    await insert(connection, [early])
    other = await asyncpg.connect(edition_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.copy_records_to_table("traces", records=[late.values()], columns=COLUMNS)
        await refresh(connection)
        await assert_answers(connection, [early])
        await transaction.commit()
    finally:
        await other.close()
    await assert_answers(connection, [early, late])
    await refresh(connection)
    await assert_answers(connection, [early, late])


async def test_writers_and_refreshes_at_once_end_in_the_truth(edition_url: str) -> None:
    pool = await asyncpg.create_pool(edition_url, min_size=1, max_size=6)
    ledger = spans(400, every=timedelta(minutes=1))

    async def write(part: list[Span]) -> None:
        for span in part:
            async with pool.acquire() as connection:
                await insert(connection, [span])

    async def refresh_often() -> None:
        for _ in range(8):
            async with pool.acquire() as connection:
                await refresh(connection)

    try:
        await asyncio.gather(*(write(ledger[n::4]) for n in range(4)), refresh_often(), refresh_often())
        async with pool.acquire() as connection:
            await assert_answers(connection, ledger)
            await refresh(connection)
            await assert_answers(connection, ledger)
    finally:
        await pool.close()


async def test_sums_neither_overflow_nor_round(connection: Any) -> None:
    largest = 2**63 - 1
    ledger = [
        Span(trace_id=f"t{n}", ts=DAY, prompt_tokens=largest, duration_us=largest, total_cost_usd=Decimal("1E-12"))
        for n in range(3)
    ]
    await insert(connection, ledger)
    await refresh(connection)
    await assert_answers(connection, ledger)
    total = await connection.fetchrow("SELECT duration_us_sum, total_cost_usd_sum FROM rollup_totals_1day")
    assert tuple(total) == (3 * largest, Decimal("3E-12"))


async def test_what_was_added_up_outlives_raw_below_the_floor(connection: Any) -> None:
    ledger = spans(300)
    await insert(connection, ledger)
    await refresh(connection)
    await connection.execute("UPDATE rollup_floor SET floor = $1", DAY + timedelta(days=1))
    await connection.execute("DELETE FROM traces WHERE ts < (SELECT floor FROM rollup_floor)")
    await refresh(connection)
    for level in SUMMED:
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level


async def test_a_row_below_the_floor_is_refused(connection: Any) -> None:
    await connection.execute("UPDATE rollup_floor SET floor = $1", DAY + timedelta(days=1))
    with pytest.raises(asyncpg.CheckViolationError, match="no longer kept"):
        await insert(connection, [Span(trace_id="t", ts=DAY)])


async def test_long_texts_and_empty_dimensions_are_no_burden(edition_url: str, connection: Any) -> None:
    rows = [
        a_row(
            number,
            model=model,
            provider="",
            environment="",
            input_text="ü" * 2**20,
            user_id="größer 🙂" if number % 2 else "",
            duration_us=2**31 * 1000 + number,
            total_cost_usd=Decimal("1E-8"),
        )
        for number, model in enumerate(["", "größer 🙂", ""])
    ]
    await insert_rows(edition_url, rows)
    await refresh(connection)
    found = await connection.fetch(
        """SELECT model, request_count, duration_us_max, total_cost_usd_sum
        FROM rollup_totals_1day JOIN rollup_dimension USING (org_id, dim) ORDER BY model"""
    )
    assert [tuple(row) for row in found] == [
        ("", 2, 2**31 * 1000 + 2, Decimal("2E-8")),
        ("größer 🙂", 1, 2**31 * 1000 + 1, Decimal("1E-8")),
    ]
    registers = f"SELECT count(DISTINCT code / {RANKS}) FROM rollup_users_1hour, unnest(codes) AS code"
    users = await connection.fetchval(registers)
    assert users == 2
    near = await connection.fetch("SELECT DISTINCT code FROM rollup_latency_1hour, unnest(codes) AS code")
    assert len(near) == 1
