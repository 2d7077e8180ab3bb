"""What retention has taken: below a rollup's floor finer sources answer, below raw's a bucket counts by its start."""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.levels import ROLLUPS, TOTALS, Level
from analytics_service.rollups.query import WATERMARK, requests
from analytics_service.rollups.refresh import refresh
from tests.service.rollups.ledger import DAY, SUMMED, Span, answered, expected, insert
from tests.support.service import a_service

pytestmark = pytest.mark.postgres

DAYS = timedelta(days=1)
LEDGER = [
    Span(trace_id=f"t{n}", ts=DAY + n * timedelta(minutes=17), prompt_tokens=n, total_cost_usd=Decimal(n).scaleb(-8))
    for n in range(500)
]
FLOOR = DAY + 3 * DAYS
LISTS = ("traces", "traces?include=children", "traces?sort_by=total_cost_usd&fields=model")
EVERYTHING = (DAY - DAYS, DAY + 9 * DAYS)


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    await insert(opened, LEDGER)
    await refresh(opened)
    yield opened
    await opened.close()


async def take_rollup(connection: Any, level: Level) -> None:
    """What retention of a rollup leaves behind."""
    await connection.execute(f"DELETE FROM {level.table} WHERE bucket < $1", FLOOR)
    await connection.execute("UPDATE rollup_level SET floor = $1 WHERE level = $2", FLOOR, level.code)


async def take_raw(connection: Any) -> None:
    await connection.execute("UPDATE rollup_floor SET floor = $1", FLOOR)
    await connection.execute("DELETE FROM traces WHERE ts < $1", FLOOR)
    await refresh(connection)


@pytest.mark.parametrize("level", SUMMED)
async def test_below_its_floor_a_level_is_answered_from_raw(connection: Any, level: Level) -> None:
    await take_rollup(connection, level)
    for start, end in (EVERYTHING, (DAY + timedelta(hours=5, minutes=3), FLOOR + timedelta(hours=7, minutes=1))):
        assert await answered(connection, level, start, end) == expected(LEDGER, start, end, level.step)


async def test_a_late_row_below_the_floor_of_a_level_leaves_no_row_there(connection: Any) -> None:
    await take_rollup(connection, Level.MIN1)
    late = Span(trace_id="late", ts=DAY + timedelta(minutes=3))
    await insert(connection, [late])
    await refresh(connection)
    assert await connection.fetchval("SELECT count(*) FROM rollup_1min WHERE bucket < $1", FLOOR) == 0
    assert await answered(connection, Level.MIN1, *EVERYTHING) == expected(
        [*LEDGER, late], *EVERYTHING, Level.MIN1.step
    )


async def test_days_are_put_together_from_hours_where_days_are_gone(connection: Any) -> None:
    await take_rollup(connection, Level.DAY)
    await take_raw(connection)
    assert await answered(connection, Level.DAY, *EVERYTHING) == expected(LEDGER, *EVERYTHING, DAYS)


@pytest.mark.parametrize("level", TOTALS)
async def test_below_raw_neighbouring_ranges_still_add_up(connection: Any, level: Level) -> None:
    await take_raw(connection)
    cuts = (DAY, DAY + timedelta(hours=5, minutes=3, seconds=7), DAY + timedelta(hours=30, minutes=31), EVERYTHING[1])
    parts = [await answered(connection, level, *span) for span in itertools.pairwise(cuts)]
    counted = sum(group[0] for part in parts for group in part.values() if isinstance(group[0], int))
    assert counted == len(LEDGER)


async def test_since_says_from_where_on_all_is_kept(connection: Any) -> None:
    async def since(level: Level, *sketches: Level) -> Any:
        row = await connection.fetchrow(f"{requests(level, *sketches)} {WATERMARK}", "acme", None, *EVERYTHING)
        return row["since"]

    assert [await since(level) for level in (Level.RAW, *SUMMED)] == [None] * (len(SUMMED) + 1)
    await take_raw(connection)
    assert await since(Level.RAW) == FLOOR
    assert [await since(level) for level in SUMMED] == [None] * len(SUMMED)
    await take_rollup(connection, Level.LATENCY)
    assert await since(Level.HOUR) is None
    assert await since(Level.HOUR, Level.LATENCY) == FLOOR


async def test_an_answer_about_what_is_gone_is_not_complete(edition_url: str, connection: Any) -> None:
    for level in ROLLUPS:
        await take_rollup(connection, level)
    await take_raw(connection)
    async with a_service(edition_url) as client:
        for start, complete in ((FLOOR - DAYS, False), (FLOOR, True)):
            for path in ("metrics?metrics=request_count", "costs/summary", *LISTS):
                answer = await client.get(f"/api/v1/{path}", from_=start, to=FLOOR + DAYS)
                assert answer.json["meta"]["complete"] is complete, (path, start)
        for path in LISTS:
            answer = await client.get(f"/api/v1/{path}", from_=FLOOR - DAYS, to=FLOOR)
            assert (answer.data, answer.json["meta"]["complete"]) == ([], False)
