"""What a question costs: raw is read by index, and only where the rollup cannot answer."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.hierarchy.refresh import Refresher
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import requests
from tests.service.rollups.ledger import DAY, SUMMED, Span, insert
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

DAYS = 8
EVERY = timedelta(minutes=3)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(database_url)
    count = timedelta(days=DAYS) // EVERY
    await insert(opened, [Span(trace_id=f"t{n}", ts=DAY + n * EVERY) for n in range(count)])
    await refresh(opened)
    await opened.execute(f"ANALYZE traces, rollup_log, rollup_stale, {', '.join(table.sql for table in Table)}")
    yield opened
    await opened.close()


async def raw_rows(connection: Any, level: Level, start: Any, end: Any) -> dict[str, int]:
    """Rows that were read of each partition of traces, by the plan that a prepared statement ends up with."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    sql = f"EXPLAIN (ANALYZE, FORMAT JSON) {requests(level)} SELECT sum(request_count) FROM requests"
    plan = json.loads(await connection.fetchval(sql, "acme", None, start, end))[0]["Plan"]
    read = {}
    for node in nodes(plan):
        if str(node.get("Relation Name", "")).startswith("traces_p") and node["Actual Loops"]:
            assert node["Node Type"] != "Seq Scan"
            read[node["Relation Name"]] = round(node["Actual Rows"] * node["Actual Loops"])
    return {name: rows for name, rows in read.items() if rows}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.mark.parametrize("level", SUMMED)
async def test_clean_whole_buckets_never_touch_raw(connection: Any, level: Level) -> None:
    assert await raw_rows(connection, level, DAY, DAY + timedelta(days=DAYS)) == {}


async def test_ends_of_the_range_read_the_minute_of_raw_that_they_cut(connection: Any) -> None:
    start, end = DAY + timedelta(minutes=30), DAY + timedelta(days=DAYS - 1, hours=5, minutes=12, seconds=30)
    for level, rows in ((Level.HOUR, 1), (Level.DAY, 1), (Level.DAY_USER, 5)):
        assert await raw_rows(connection, level, start, end) == {"traces_p2024031600": rows}, level


async def test_a_late_row_has_its_own_minute_read_of_raw(connection: Any) -> None:
    """Or its quarter of an hour, where days by user are asked for."""
    await insert(connection, [Span(trace_id="late", ts=DAY + timedelta(days=3, hours=7, minutes=1))])
    for level, rows in ((Level.HOUR, 1), (Level.DAY, 1), (Level.DAY_USER, 6)):
        assert await raw_rows(connection, level, DAY, DAY + timedelta(days=DAYS)) == {"traces_p2024031200": rows}, level


async def test_hours_that_the_worker_has_not_refreshed_are_read_from_minutes(connection: Any) -> None:
    await insert(connection, [Span(trace_id="late", ts=DAY + timedelta(days=3, hours=7, minutes=1))])
    await Refresher(connection, "acme").step(None)
    assert await connection.fetchval("SELECT count(*) FROM rollup_stale") > 0
    for level in (Level.HOUR, Level.DAY):
        assert await raw_rows(connection, level, DAY, DAY + timedelta(days=DAYS)) == {}, level
