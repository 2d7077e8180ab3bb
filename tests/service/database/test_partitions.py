"""Partitions are made ahead, once, also when many ask at the same moment, and after the width has changed."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.support.rollups import refresh
from tests.support.service import T0, a_row, insert

pytestmark = pytest.mark.postgres

NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ENSURE = "SELECT ensure_partitions($1, $2)"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def bounds(connection: Any) -> list[tuple[datetime, datetime]]:
    rows = await connection.fetch("SELECT lower_bound, upper_bound FROM traces_partitions ORDER BY 1")
    return [(row[0], row[1]) for row in rows]


async def test_the_days_between_two_moments_are_made_once(connection: Any) -> None:
    midnight = NOON - 12 * HOUR
    assert await connection.fetchval(ENSURE, NOON, NOON + 2 * DAY) == 3
    assert await bounds(connection) == [(midnight + n * DAY, midnight + (n + 1) * DAY) for n in range(3)]
    assert await connection.fetchval(ENSURE, NOON - DAY, NOON + 2 * DAY) == 1
    assert await connection.fetchval(ENSURE, NOON - DAY, NOON + 2 * DAY) == 0


async def test_many_writers_make_each_partition_once(database_url: str, connection: Any) -> None:
    pool = await asyncpg.create_pool(database_url, min_size=4, max_size=4)
    try:
        made = await asyncio.gather(*(pool.fetchval(ENSURE, NOON, NOON + 9 * DAY) for _ in range(8)))
    finally:
        await pool.close()
    assert sum(made) == 10 == len(await bounds(connection))


async def test_another_width_fills_the_gaps_between_older_partitions(connection: Any) -> None:
    await connection.fetchval(ENSURE, NOON, NOON)
    await connection.execute("UPDATE schema_meta SET chunk_hours = 6")
    await connection.fetchval(ENSURE, NOON - DAY, NOON + DAY)
    await connection.execute("UPDATE schema_meta SET chunk_hours = 72")
    await connection.fetchval(ENSURE, NOON - 9 * DAY, NOON + 9 * DAY)
    found = await bounds(connection)
    assert all(left[1] == right[0] for left, right in itertools.pairwise(found))
    assert found[0][0] <= NOON - 9 * DAY
    assert found[-1][1] > NOON + 9 * DAY


async def test_a_range_that_would_make_too_many_is_refused(connection: Any) -> None:
    with pytest.raises(asyncpg.ProgramLimitExceededError, match="more than 400 partitions"):
        await connection.fetchval(ENSURE, NOON, NOON + 500 * DAY)
    assert await bounds(connection) == []


async def test_readers_are_not_locked_out_while_partitions_are_made(database_url: str, connection: Any) -> None:
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction():
            await reader.fetch("SELECT count(*) FROM traces")
            assert await connection.fetchval(ENSURE, NOON, NOON, timeout=5) == 1
    finally:
        await reader.close()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT INTO {p} (org_id, trace_id, span_id, ts) VALUES ('acme', 'n', 's', '{t}')", id="insert"),
        pytest.param("UPDATE {p} SET total_tokens = 7", id="update"),
        pytest.param("DELETE FROM {p}", id="delete"),
        pytest.param("TRUNCATE {p}", id="truncate"),
        pytest.param("TRUNCATE traces", id="truncate all"),
        pytest.param("TRUNCATE traces, {p}", id="truncate both"),
    ],
)
async def test_statements_that_name_a_partition_reach_the_rollups(
    database_url: str, connection: Any, statement: str
) -> None:
    await insert(database_url, [a_row(number) for number in range(3)])
    await refresh(connection)
    (name,) = [row[0] for row in await connection.fetch("SELECT name FROM traces_partitions")]
    await connection.execute(statement.format(p=name, t=T0))
    assert await connection.fetchval("SELECT count(*) FROM rollup_log") > 0
    await refresh(connection)
    expected = await connection.fetchrow("SELECT count(*), sum(total_tokens) FROM traces")
    for level in ("1min", "15min", "1hour", "1day"):
        sums = f"SELECT coalesce(sum(request_count), 0), sum(total_tokens_sum) FROM traces_{level}"
        assert await connection.fetchrow(sums) == expected


async def test_a_statement_on_the_whole_table_is_logged_once(database_url: str, connection: Any) -> None:
    await insert(database_url, [a_row(0)])
    await connection.execute("DELETE FROM rollup_log")
    await connection.execute("UPDATE traces SET total_tokens = 1")
    assert await connection.fetchval("SELECT count(*) FROM rollup_log") == 1
