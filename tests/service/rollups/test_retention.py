"""Rows end by age, and no answer from a rollup notices: whoever writes, reads, or is killed meanwhile."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from analytics_service.database.partitions import has_native_partitions
from analytics_service.rollups import versions
from analytics_service.rollups.levels import ROLLUPS, Level
from analytics_service.rollups.refresh import refresh
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.rollups import retain_rollup
from analytics_service.rollups.retention.step import RetentionStep, StepKind
from tests.service.rollups.ledger import COLUMNS, DAY, SUMMED, Span, answered, expected, insert
from tests.support.eventually import eventually

pytestmark = pytest.mark.postgres

DAYS = timedelta(days=1)
EVERYTHING = (DAY - DAYS, DAY + 9 * DAYS)
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


def spans(days: int, *, trace_id: str = "t", **fields: Any) -> list[Span]:
    """One every three hours."""
    return [
        Span(trace_id=f"{trace_id}{n}", ts=DAY + timedelta(hours=3 * n, minutes=7), prompt_tokens=n, **fields)
        for n in range(days * 8)
    ]


async def assert_answers(connection: Any, ledger: list[Span]) -> None:
    for level in SUMMED:
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level


async def retained(connection: Any, until: datetime | None) -> list[RetentionStep]:
    return [step async for step in retain_raw(connection, until)]


async def raw(connection: Any) -> tuple[int, datetime]:
    """The number of rows, and the oldest of them."""
    row = await connection.fetchrow("SELECT count(*), min(ts) FROM traces")
    return row[0], row[1]


async def refused(connection: Any, span: Span) -> bool:
    """Whether it was not written, since its day has ended, or its partition is on its way out."""
    try:
        async with connection.transaction():
            await insert(connection, [span])
    except asyncpg.DuplicateTableError:
        return True
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "traces_not_before_floor" or "no partition of relation" in str(error):
            return True
        raise
    return False


def at(moment: datetime) -> Span:
    return Span(trace_id="too late", ts=moment)


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


async def test_what_is_written_between_the_steps_is_added_up_before_it_ends(connection: Any) -> None:
    ledger = spans(2)
    await insert(connection, ledger)
    late = iter(spans(2, trace_id="late"))
    async for step in retain_raw(connection, DAY + DAYS):
        if step.kind is StepKind.REFRESHED and (span := next(late, None)) is not None and span.ts < DAY + DAYS:
            await insert(connection, [span])
            ledger.append(span)
        await assert_answers(connection, ledger)
    assert len(ledger) == 24
    assert (await raw(connection))[0] == 8


async def test_a_floor_that_writers_never_leave_alone_stays(connection: Any) -> None:
    ledger = spans(1)
    await insert(connection, ledger)
    async for _ in retain_raw(connection, DAY + DAYS):
        span = Span(trace_id=f"again{len(ledger)}", ts=DAY)
        await insert(connection, [span])
        ledger.append(span)
    assert (await raw(connection))[0] == len(ledger)
    await assert_answers(connection, ledger)
    assert not await refused(connection, at(DAY))


async def test_a_writer_in_flight_below_the_coming_floor_is_waited_for(edition_url: str, connection: Any) -> None:
    ledger, late = spans(2), Span(trace_id="in flight", ts=DAY + timedelta(hours=1))
    await insert(connection, ledger)
    writer = await asyncpg.connect(edition_url)
    try:
        transaction = writer.transaction()
        await transaction.start()
        await writer.copy_records_to_table("traces", records=[late.values()], columns=COLUMNS)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await retained(connection, DAY + DAYS)
        assert not await connection.fetchval("SELECT isfinite(floor) FROM rollup_floor")
        await assert_answers(connection, ledger)
        await transaction.commit()
    finally:
        await writer.close()
    ledger.append(late)
    await retained(connection, DAY + DAYS)
    assert (await raw(connection))[0] == 8
    await assert_answers(connection, ledger)


async def test_a_writer_in_flight_in_a_partition_that_only_begins_below_the_floor_is_waited_for(
    edition_url: str, connection: Any
) -> None:
    await connection.execute("UPDATE schema_meta SET chunk_hours = 168")
    if not await has_native_partitions(connection):
        await connection.execute("SELECT set_chunk_time_interval('traces', interval '7 days')")
    ledger, late = spans(2), Span(trace_id="in flight", ts=DAY + timedelta(hours=1))
    await insert(connection, ledger)
    writer = await asyncpg.connect(edition_url)
    try:
        async with writer.transaction():
            await writer.copy_records_to_table("traces", records=[late.values()], columns=COLUMNS)
            with pytest.raises(asyncpg.LockNotAvailableError):
                await retained(connection, DAY + DAYS)
    finally:
        await writer.close()
    ledger.append(late)
    steps = await retained(connection, DAY + DAYS)
    assert StepKind.DROPPED not in {step.kind for step in steps}, "its other days are kept"
    await assert_answers(connection, ledger)
    assert await refused(connection, at(DAY))
    assert not await refused(connection, at(DAY + DAYS))


async def test_a_writer_that_makes_a_partition_below_the_coming_floor_is_waited_for(
    edition_url: str, connection: Any
) -> None:
    ledger, late = [Span(trace_id="t", ts=DAY + 5 * DAYS)], Span(trace_id="in flight", ts=DAY)
    await insert(connection, ledger)
    writer = await asyncpg.connect(edition_url)
    try:
        async with writer.transaction():
            await insert(writer, [late])
            with pytest.raises(asyncpg.LockNotAvailableError):
                await retained(connection, DAY + DAYS)
    finally:
        await writer.close()
    ledger.append(late)
    await retained(connection, DAY + DAYS)
    assert (await raw(connection))[0] == 1
    await assert_answers(connection, ledger)


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_writer_with_an_older_snapshot_is_refused(edition_url: str, connection: Any, isolation: Any) -> None:
    ledger = spans(2)
    await insert(connection, ledger)
    writer = await asyncpg.connect(edition_url)
    row = Span(trace_id="of before", ts=DAY).values()
    try:
        transaction = writer.transaction(isolation=isolation)
        await transaction.start()
        assert await writer.fetchval("SELECT floor = '-infinity' FROM rollup_floor")
        async for step in retain_raw(connection, DAY + DAYS):
            if step.kind is StepKind.MOVED:
                with pytest.raises(asyncpg.SerializationError):
                    await writer.copy_records_to_table("traces", records=[row], columns=COLUMNS)
                await transaction.rollback()
        await assert_answers(connection, ledger)
        async with writer.transaction(isolation=isolation):
            await insert(writer, [(new := Span(trace_id="of now", ts=DAY + DAYS))])
    finally:
        await writer.close()
    await assert_answers(connection, [*ledger, new])


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


async def test_writers_refreshes_and_ends_at_once_end_in_the_truth(edition_url: str, connection: Any) -> None:
    pool = await asyncpg.create_pool(edition_url, min_size=6, max_size=6)
    planned = [Span(trace_id=f"t{n}", ts=DAY + n * timedelta(minutes=18), prompt_tokens=n) for n in range(400)]
    random.Random(5).shuffle(planned)
    ledger: list[Span] = []
    late, first_day_ended = 0, asyncio.Event()

    async def write(part: list[Span]) -> None:
        nonlocal late
        async with pool.acquire() as writer:
            for number, span in enumerate(part):
                if number == len(part) // 2:
                    await first_day_ended.wait()
                if await refused(writer, span):
                    late += 1
                else:
                    ledger.append(span)

    async def refresh_often() -> None:
        async with pool.acquire() as refresher:
            for _ in range(6):
                await refresh(refresher)

    async def end_day_by_day() -> None:
        async with pool.acquire() as ender:
            for until in (DAY + DAYS, DAY + 2 * DAYS, DAY + 3 * DAYS):
                await eventually(partial(gone_on, ender, until), seconds=120)
                first_day_ended.set()

    try:
        await asyncio.gather(*(write(planned[n::3]) for n in range(3)), refresh_often(), end_day_by_day())
    finally:
        await pool.close()
    assert len(ledger) + late == len(planned)
    assert late > 0
    await assert_answers(connection, ledger)
    await eventually(lambda: gone_on(connection, DAY + 4 * DAYS), seconds=60)
    await refresh(connection)
    await assert_answers(connection, ledger)
    assert (await raw(connection))[0] == sum(span.ts >= DAY + 4 * DAYS for span in ledger)


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


async def gone_on(connection: Any, until: datetime | None) -> bool:
    """As the worker does it: once more when a lock is held, which the killed one's server process may still do."""
    try:
        await retained(connection, until)
    except asyncpg.LockNotAvailableError:
        return False
    return until is None or bool(await connection.fetchval("SELECT floor >= $1 FROM rollup_floor", until))


async def test_partitions_that_somebody_detached_are_not_ours_to_drop(plain: Any) -> None:
    await insert(plain, spans(3))
    name = await plain.fetchval("SELECT name FROM traces_partitions ORDER BY lower_bound LIMIT 1")
    await plain.execute(f"ALTER TABLE traces DETACH PARTITION {name}")
    await retained(plain, DAY + 2 * DAYS)
    assert await plain.fetchval(f"SELECT count(*) FROM {name}") == 8


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
    async for _ in retain_rollup(connection, Level.DAY, DAY + DAYS):
        pass
    assert await version(DAY, DAY + DAYS) not in seen


async def test_a_rollup_ends_in_batches_and_its_part_is_read_from_raw(
    connection: Any,
) -> None:
    ledger = [*spans(3), *spans(1, trace_id="other", org_id="other")]
    await insert(connection, ledger)
    await refresh(connection)
    steps = []
    async for step in retain_rollup(connection, Level.MIN1, DAY + 2 * DAYS, batch=5):
        steps.append(step)
        await assert_answers(connection, ledger)
    assert [step.rows for step in steps if step.kind is StepKind.DELETED] == [5, 5, 5, 1, 5, 3]
    assert await connection.fetchval("SELECT min(bucket) FROM rollup_1min") >= DAY + 2 * DAYS
    assert [step async for step in retain_rollup(connection, Level.MIN1, DAY + 2 * DAYS)] == []


async def test_a_deletion_that_was_interrupted_is_gone_on_with(
    connection: Any,
) -> None:
    ledger = spans(3)
    await insert(connection, ledger)
    await refresh(connection)
    steps = retain_rollup(connection, Level.MIN1, DAY + 2 * DAYS, batch=5)
    assert [(await anext(steps)).kind for _ in range(2)] == [StepKind.MOVED, StepKind.DELETED]
    await assert_answers(connection, ledger)
    assert sum([step.rows async for step in retain_rollup(connection, Level.MIN1, None)]) == 11
    await assert_answers(connection, ledger)


async def test_a_rollup_without_old_rows_keeps_its_floor(connection: Any) -> None:
    await insert(connection, spans(1))
    await refresh(connection)
    for level in ROLLUPS:
        assert [step async for step in retain_rollup(connection, level, DAY)] == []
    assert not await connection.fetchval("SELECT bool_or(isfinite(floor)) FROM rollup_level")


async def test_rollups_that_end_after_raw_are_gone_and_the_rest_is_right(connection: Any) -> None:
    ledger = spans(4)
    await insert(connection, ledger)
    await retained(connection, DAY + 2 * DAYS)
    for level in ROLLUPS:
        async for _ in retain_rollup(connection, level, DAY + DAYS):
            pass
    kept = [span for span in ledger if span.ts >= DAY + DAYS]
    await assert_answers(connection, kept)


async def test_many_partitions_end_in_several_moves(plain: Any) -> None:
    await plain.execute("UPDATE schema_meta SET chunk_hours = 1")
    ledger = spans(6)
    await insert(plain, ledger)
    steps = await retained(plain, DAY + 5 * DAYS)
    moves = [step for step in steps if step.kind is StepKind.MOVED]
    dropped = [step for step in steps if step.kind is StepKind.DROPPED]
    assert (len(moves), len(dropped)) == (2, 120)
    await assert_answers(plain, ledger)
