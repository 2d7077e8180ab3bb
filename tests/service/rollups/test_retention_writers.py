"""Raw rows end while others write and refresh, and no answer from a rollup notices."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from analytics_service.database.partitions import has_native_partitions
from analytics_service.rollups.legacy.refresh import refresh_before
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.step import StepKind
from tests.service.rollups.ledger import COLUMNS, DAY, Span, insert
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


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


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
    await assert_stored(connection, ledger, DAY + 9 * DAYS)
    assert (await raw(connection))[0] == sum(span.ts >= DAY + 4 * DAYS for span in ledger)


async def test_a_worker_of_before_that_does_not_know_the_log_ends_nothing_that_rollups_wait_for(
    connection: Any,
) -> None:
    ledger = spans(2)
    await insert(connection, ledger)
    await refresh_before(connection)
    move = "UPDATE rollup_floor SET floor = $1"
    with pytest.raises(asyncpg.LockNotAvailableError, match="rollups wait for rows"):
        await connection.execute(move, DAY + DAYS)
    assert not await refused(connection, at(DAY))
    ledger.append(at(DAY))
    await refresh(connection)
    await connection.execute(move, DAY + DAYS)
    await assert_stored(connection, ledger, DAY + 2 * DAYS)
