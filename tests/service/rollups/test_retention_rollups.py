"""Rows of rollups end by age, and what is left answers for them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.levels import Level
from analytics_service.rollups.legacy.refresh import refresh_before
from analytics_service.rollups.retention.rollups import Rollup, retain_rollup, sql_of
from analytics_service.rollups.retention.step import StepKind
from tests.service.rollups.ledger import DAY, Span, insert
from tests.service.rollups.retention import (
    DAYS,
    assert_answers,
    assert_stored,
    retained,
    spans,
)
from tests.support.rollups import differences, refresh

pytestmark = pytest.mark.postgres

ROLLUPS: tuple[Rollup, ...] = (*Table, *Level)


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


@pytest.mark.parametrize("rollup", [Table.TOTALS_1MIN, Level.MIN1])
async def test_a_rollup_ends_in_batches_and_its_part_is_read_from_raw(connection: Any, rollup: Rollup) -> None:
    ledger = [*spans(3), *spans(1, trace_id="other", org_id="other")]
    await insert(connection, ledger)
    await refresh(connection)
    await refresh_before(connection)
    steps = []
    async for step in retain_rollup(connection, rollup, DAY + 2 * DAYS, batch=5):
        steps.append(step)
        await assert_answers(connection, ledger)
    assert [step.rows for step in steps if step.kind is StepKind.DELETED] == [5, 5, 5, 1, 5, 3]
    assert await connection.fetchval(f"SELECT min(bucket) FROM {sql_of(rollup)}") >= DAY + 2 * DAYS
    assert [step async for step in retain_rollup(connection, rollup, DAY + 2 * DAYS)] == []


@pytest.mark.parametrize("rollup", [Table.TOTALS_1MIN, Level.MIN1])
async def test_a_deletion_that_was_interrupted_is_gone_on_with(connection: Any, rollup: Rollup) -> None:
    ledger = spans(3)
    await insert(connection, ledger)
    await refresh(connection)
    await refresh_before(connection)
    steps = retain_rollup(connection, rollup, DAY + 2 * DAYS, batch=5)
    assert [(await anext(steps)).kind for _ in range(2)] == [StepKind.MOVED, StepKind.DELETED]
    await assert_answers(connection, ledger)
    assert sum([step.rows async for step in retain_rollup(connection, rollup, None)]) == 11
    await assert_answers(connection, ledger)


async def test_what_comes_late_where_finer_rows_have_ended_is_rebuilt_from_raw(connection: Any) -> None:
    ledger = spans(3, duration_us=5)
    await insert(connection, ledger)
    await refresh(connection)
    ended = (Table.TOTALS_1MIN, Table.LATENCY_1MIN, Table.TOTALS_15MIN, Table.LATENCY_1HOUR)
    for table in ended:
        assert [step async for step in retain_rollup(connection, table, DAY + 2 * DAYS)] != []
    await insert(connection, late := [Span(trace_id="late", ts=DAY + timedelta(hours=1), duration_us=7)])
    await refresh(connection)
    ledger += late
    await assert_answers(connection, ledger)
    left = set(Table) - set(ended)
    assert await differences(connection, *left) == {}
    assert await connection.fetchval("SELECT min(bucket) FROM rollup_totals_1min") >= DAY + 2 * DAYS


async def test_a_rollup_without_old_rows_keeps_its_floor(connection: Any) -> None:
    await insert(connection, spans(1))
    await refresh(connection)
    for rollup in ROLLUPS:
        assert [step async for step in retain_rollup(connection, rollup, DAY)] == []
    assert not await connection.fetchval("SELECT bool_or(isfinite(floor)) FROM rollup_level")
    assert not await connection.fetchval("SELECT bool_or(isfinite(floor)) FROM rollup_horizon")


async def test_rollups_that_end_after_raw_are_gone_and_the_rest_is_right(connection: Any) -> None:
    ledger = spans(4)
    await insert(connection, ledger)
    await retained(connection, DAY + 2 * DAYS)
    for rollup in ROLLUPS:
        async for _ in retain_rollup(connection, rollup, DAY + DAYS):
            pass
    left = [span for span in ledger if span.ts >= DAY + DAYS]
    await assert_answers(connection, left)
    await refresh(connection)
    await assert_stored(connection, left, DAY + 9 * DAYS)
