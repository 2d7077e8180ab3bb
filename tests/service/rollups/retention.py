"""What the tests of retention share: rows of some days, and whether answers and rollups still have all of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.step import RetentionStep
from tests.service.rollups.ledger import DAY, SUMMED, Key, Span, answered, expected, insert

DAYS = timedelta(days=1)
EVERYTHING = (DAY - DAYS, DAY + 9 * DAYS)
TOTALS = {
    Table.TOTALS_1MIN: Level.MIN1,
    Table.TOTALS_15MIN: Level.MIN15,
    Table.TOTALS_1HOUR: Level.HOUR,
    Table.TOTALS_1DAY: Level.DAY,
}


def spans(days: int, *, trace_id: str = "t", **fields: Any) -> list[Span]:
    """One every three hours."""
    return [
        Span(trace_id=f"{trace_id}{n}", ts=DAY + timedelta(hours=3 * n, minutes=7), prompt_tokens=n, **fields)
        for n in range(days * 8)
    ]


async def assert_answers(connection: Any, ledger: list[Span]) -> None:
    for level in SUMMED:
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level


async def stored(connection: Any, table: Table) -> dict[Key, tuple[object, ...]]:
    """What a rollup of totals has, as `expected` computes it."""
    measures = ", ".join(
        f"sum({m}_sum), (sum(request_count) - coalesce(sum({m}_missing), 0))::bigint, min({m}_min), max({m}_max)"
        for m in ("prompt_tokens", "total_cost_usd", "duration_us")
    )
    rows = await connection.fetch(
        f"""SELECT bucket, project_id, model, status_code, sum(request_count)::bigint, {measures}
        FROM {table.sql} JOIN rollup_dimension USING (org_id, dim) WHERE org_id = 'acme' GROUP BY 1, 2, 3, 4"""
    )
    return {(row[0], row[1], row[2], row[3]): tuple(row)[4:] for row in rows}


async def assert_stored(connection: Any, ledger: Iterable[Span], until: datetime) -> None:
    """What began before `until` is in every rollup of totals."""
    spans_before = [span for span in ledger if span.ts < until]
    for table, level in TOTALS.items():
        rows = {key: row for key, row in (await stored(connection, table)).items() if key[0] < until}
        assert rows == expected(spans_before, *EVERYTHING, level), table


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


async def gone_on(connection: Any, until: datetime | None) -> bool:
    """As the worker does it: once more when a lock is held, which the killed one's server process may still do."""
    try:
        await retained(connection, until)
    except asyncpg.LockNotAvailableError:
        return False
    return until is None or bool(await connection.fetchval("SELECT floor >= $1 FROM rollup_floor", until))
