"""What a question costs: raw is read by index, and only where the rollup cannot answer."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.hierarchy import latency, minutes, totals
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


_MANY = """
INSERT INTO rollup_log (org_id, minute, requests, transaction_id)
SELECT 'acme', $1::timestamptz, true, n FROM generate_series(1, 20000) AS n
UNION ALL SELECT 'acme', $1::timestamptz, true, NULL
"""


@pytest.mark.parametrize(
    "statement",
    [
        minutes.ADD,
        totals.from_raw(Table.TOTALS_1MIN),
        latency.histograms_of_raw(Table.LATENCY_1MIN),
    ],
)
async def test_a_refresh_compares_no_row_with_every_entry(connection: Any, statement: str) -> None:
    """Nor where the log has more entries than the memory of a statement holds: they are hashed all the same."""
    await connection.execute(_MANY, DAY)
    await connection.execute("ANALYZE rollup_log; SET enable_nestloop = off; SET work_mem = '64kB'")
    end = DAY + timedelta(hours=2)
    entries = ([DAY] * 20_000, list(range(1, 20_001)), DAY, DAY) if "$7" in statement else ([DAY],)
    plan = await connection.fetch(f"EXPLAIN {statement}", "acme", [DAY], [end], DAY, end, *entries)
    filters = [row[0] for row in plan if "t.transaction_id = " in row[0]]
    assert filters
    for each in filters:
        assert "hashed SubPlan" in each
        assert "t.transaction_id IS NOT NULL" in each.replace("(", "").replace(")", "")


async def test_an_answer_compares_no_row_with_every_entry(connection: Any) -> None:
    """As it would where one of the two has no transaction: an entry of any change, or a row of before."""
    await connection.execute(_MANY, DAY)
    sql = f"EXPLAIN (FORMAT JSON) {requests(Level.HOUR)} SELECT sum(request_count) FROM requests"
    plan = json.loads(await connection.fetchval(sql, "acme", None, DAY, DAY + timedelta(days=DAYS)))[0]["Plan"]
    filters = [node["Filter"] for node in nodes(plan) if "t.transaction_id = " in node.get("Filter", "")]
    assert len(filters) == 1
    assert "hashed SubPlan" in filters[0]
    assert "(t.transaction_id IS NOT NULL)" in filters[0]
    named = [node for node in nodes(plan) if node.get("CTE Name") == "entries" and "SubPlan" in str(node)]
    assert [node["Filter"] for node in named] == ["(transaction_id IS NOT NULL)"]
