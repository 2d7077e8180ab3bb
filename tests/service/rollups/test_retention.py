"""Raw rows end by age, and no answer from a rollup notices, whoever is killed meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups import versions
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.rollups import retain_rollup
from analytics_service.rollups.retention.step import StepKind
from tests.service.rollups.ledger import DAY, Span, insert
from tests.service.rollups.retention import (
    DAYS,
    assert_answers,
    assert_stored,
    at,
    gone_on,
    raw,
    refused,
    retained,
    spans,
)
from tests.support.eventually import eventually
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

KILLED = """
import asyncio, os, signal, sys
from datetime import datetime
import asyncpg
from analytics_service.rollups.retention.raw import retain_raw

async def run(url, until, last):
    connection = await asyncpg.connect(url)
    async for step in retain_raw(connection, datetime.fromisoformat(until)):
        if step.kind == last:
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(run(*sys.argv[1:]))
"""
PENDING = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending)"


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


@pytest.fixture
async def plain(database_url: str) -> AsyncIterator[Any]:
    """Of plain PostgreSQL."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def test_raw_ends_and_every_answer_from_rollups_stays_at_each_step(connection: Any) -> None:
    ledger = spans(5)
    await insert(connection, ledger)
    seen = set()
    async for step in retain_raw(connection, DAY + 3 * DAYS):
        seen.add(step.kind)
        await assert_answers(connection, ledger)
    assert seen >= {StepKind.REFRESHED, StepKind.MOVED, StepKind.DROPPED}
    assert await raw(connection) == (16, DAY + 3 * DAYS + timedelta(minutes=7))
    assert await refused(connection, at(DAY + 3 * DAYS - timedelta(microseconds=1)))
    assert await retained(connection, DAY + 3 * DAYS) == []
    await refresh(connection)
    await assert_answers(connection, ledger)
    await assert_stored(connection, ledger, DAY + 5 * DAYS)


async def test_cached_answers_about_days_that_end_are_computed_again(connection: Any) -> None:
    await insert(connection, spans(3))
    await refresh(connection)

    async def version(start: datetime, end: datetime) -> str:
        query = versions.query("acme")
        (row,) = await connection.fetch(query.sql, *query.args)
        return versions.of_row(*row).of(start, end)

    seen, other = [await version(DAY, DAY + DAYS)], await version(DAY + DAYS, DAY + 3 * DAYS)
    seen += [
        await version(DAY, DAY + DAYS)
        async for step in retain_raw(connection, DAY + DAYS)
        if step.kind in {StepKind.MOVED, StepKind.DROPPED}
    ]
    assert len(set(seen)) == 3, "where the floor moves, and where the rows go"
    assert await version(DAY + DAYS, DAY + 3 * DAYS) == other
    async for _ in retain_rollup(connection, Table.TOTALS_1DAY, DAY + DAYS):
        pass
    assert await version(DAY, DAY + DAYS) not in seen


async def test_partitions_that_somebody_detached_are_not_ours_to_drop(plain: Any) -> None:
    await insert(plain, spans(3))
    name = await plain.fetchval("SELECT name FROM traces_partitions ORDER BY lower_bound LIMIT 1")
    await plain.execute(f"ALTER TABLE traces DETACH PARTITION {name}")
    await retained(plain, DAY + 2 * DAYS)
    assert await plain.fetchval(f"SELECT count(*) FROM {name}") == 8


async def test_many_partitions_end_in_several_moves(plain: Any) -> None:
    await plain.execute("UPDATE schema_meta SET chunk_hours = 1")
    ledger = spans(6)
    await insert(plain, ledger)
    steps = await retained(plain, DAY + 5 * DAYS)
    moves = [step for step in steps if step.kind is StepKind.MOVED]
    dropped = [step for step in steps if step.kind is StepKind.DROPPED]
    assert (len(moves), len(dropped)) == (2, 120)
    await assert_answers(plain, ledger)


@pytest.mark.parametrize("last", [StepKind.REFRESHED, StepKind.MOVED, StepKind.DROPPED])
async def test_the_next_run_goes_on_where_one_was_killed(edition_url: str, connection: Any, last: StepKind) -> None:
    ledger = spans(4)
    await insert(connection, ledger)
    await kill_after(edition_url, last)
    await assert_answers(connection, ledger)
    await retained(connection, DAY + 2 * DAYS)
    assert await raw(connection) == (16, DAY + 2 * DAYS + timedelta(minutes=7))
    assert await connection.fetchval("SELECT count(*) FROM dropped_partition") == 0
    await assert_answers(connection, ledger)


async def kill_after(url: str, last: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, url, (DAY + 2 * DAYS).isoformat(), last)
    )
    assert await asyncio.wait_for(process.wait(), 60) == -9


async def test_what_was_detached_by_one_that_was_killed_is_dropped(database_url: str, plain: Any) -> None:
    ledger = spans(4)
    await insert(plain, ledger)
    await kill_after(database_url, StepKind.DETACHED)
    attached = "SELECT count(*) FROM traces_partitions"
    tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'traces\\_p2%' AND relkind = 'r'"
    assert (await plain.fetchval(attached), await plain.fetchval(tables)) == (3, 4)
    await assert_answers(plain, ledger)
    await retained(plain, None)
    assert (await plain.fetchval(attached), await plain.fetchval(tables)) == (2, 2)


async def test_one_that_is_killed_while_it_detaches_is_finished_and_no_reader_is_disturbed(
    database_url: str, plain: Any
) -> None:
    ledger = spans(4)
    await insert(plain, ledger)
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction(isolation="repeatable_read"):
            assert await reader.fetchval("SELECT count(*) FROM traces") == 32
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", KILLED, database_url, (DAY + 2 * DAYS).isoformat(), "never")
            )
            await eventually(lambda: plain.fetchval(PENDING), seconds=60)
            process.kill()
            await process.wait()
            assert await reader.fetchval("SELECT count(*) FROM traces") == 32
            with pytest.raises(asyncpg.LockNotAvailableError):
                await retained(plain, None)
            await assert_answers(plain, ledger)
            await insert(plain, [(late := Span(trace_id="late", ts=DAY + 8 * DAYS))])
            ledger.append(late)
    finally:
        await reader.close()
    await eventually(lambda: gone_on(plain, None))
    assert not await plain.fetchval(PENDING)
    assert (await raw(plain))[0] == 17
    await assert_answers(plain, ledger)
