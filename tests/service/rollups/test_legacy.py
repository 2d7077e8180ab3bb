"""The rollups of the release before stay right, and their log short, and the keys of this release do not notice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups import levels
from analytics_service.rollups.legacy.levels import Level
from analytics_service.rollups.legacy.refresh import (
    Unit,
    crowded_units,
    deduplicate,
    refresh_before,
    refresh_unit,
    units_before,
)
from analytics_service.worker.legacy import Legacy
from tests.service.rollups.ledger import DAY, Key, Span, expected, insert
from tests.service.rollups.retention import DAYS, EVERYTHING, spans
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

ENTRIES = "SELECT count(*) FROM rollup_dirty"
BUCKETS = "SELECT count(DISTINCT (level, org_id, bucket_start)) FROM rollup_dirty"
TOTALS = {
    Level.MIN1: levels.Level.MIN1,
    Level.MIN15: levels.Level.MIN15,
    Level.HOUR: levels.Level.HOUR,
    **dict.fromkeys((Level.DAY, Level.DAY_USER, Level.DAY_TEAM, Level.DAY_TAG), levels.Level.DAY),
}
KEYS = """
SELECT (SELECT sum(version) FROM rollup_version)::bigint AS version,
    (SELECT count(*) FROM rollup_dirty WHERE level = '1day') AS dirty,
    (SELECT coalesce(sum(version - legacy), 0) FROM rollup_version)::bigint + (SELECT count(*) FROM rollup_log) AS now
"""


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


async def stored(connection: Any, level: Level) -> dict[Key, tuple[object, ...]]:
    measures = ", ".join(
        f"sum({m}_sum), sum({m}_count)::bigint, min({m}_min), max({m}_max)"
        for m in ("prompt_tokens", "total_cost_usd", "duration_us")
    )
    rows = await connection.fetch(
        f"""SELECT bucket, project_id, model, status_code, sum(request_count)::bigint, {measures}
        FROM {level.table} WHERE org_id = 'acme' GROUP BY 1, 2, 3, 4"""
    )
    return {(row[0], row[1], row[2], row[3]): tuple(row)[4:] for row in rows}


async def assert_stored(connection: Any, ledger: list[Span]) -> None:
    for level, of_today in TOTALS.items():
        assert await stored(connection, level) == expected(ledger, *EVERYTHING, of_today), level
    bins = "SELECT coalesce(sum(n), 0) FROM {} WHERE org_id = 'acme'"
    durations = sum(span.duration_us is not None and span.org_id == "acme" for span in ledger)
    for level in (Level.LATENCY, Level.DAY_LATENCY):
        assert await connection.fetchval(bins.format(level.table)) == durations


async def test_they_are_refreshed_from_raw(connection: Any) -> None:
    ledger = [*spans(2, duration_us=9), *spans(1, trace_id="other", org_id="other")]
    await insert(connection, ledger)
    await refresh_before(connection, DAY + DAYS)
    assert [unit.day for unit in await units_before(connection)] == [DAY + DAYS]
    await refresh_before(connection)
    assert await connection.fetchval(ENTRIES) == 0
    await assert_stored(connection, ledger)
    await insert(connection, late := [Span(trace_id="late", ts=DAY)])
    await refresh_before(connection)
    await assert_stored(connection, ledger + late)


async def test_a_log_has_one_entry_for_each_bucket_once_it_was_deduplicated(connection: Any) -> None:
    for span in spans(1):
        await insert(connection, [span])
        await insert(connection, [Span(trace_id=f"again {span.trace_id}", ts=span.ts)])
    (unit,) = await crowded_units(connection, entries=15)
    assert (unit.organisation, unit.day) == ("acme", DAY)
    assert await crowded_units(connection, entries=16) == []
    buckets, entries = await connection.fetchval(BUCKETS), await connection.fetchval(ENTRIES)
    assert await deduplicate(connection, unit) == entries - buckets > 0
    assert await connection.fetchval(ENTRIES) == await connection.fetchval(BUCKETS) == buckets
    assert await deduplicate(connection, unit) == 0


async def test_keys_of_before_never_come_back_and_those_of_now_move_with_writes_alone(connection: Any) -> None:
    seen: list[tuple[int, int]] = []
    unit, writes = Unit(organisation="acme", day=DAY), 0

    async def look() -> None:
        row = await connection.fetchrow(KEYS)
        assert row["now"] == writes
        if not seen or seen[-1] != (row["version"] or 0, row["dirty"]):
            seen.append((row["version"] or 0, row["dirty"]))

    for number in range(12):
        await insert(connection, [Span(trace_id=f"t{number}", ts=DAY + timedelta(minutes=number % 3))])
        writes += 1
        await look()
        if number % 2:
            await deduplicate(connection, unit)
            await look()
        if number % 3 == 2:
            await refresh(connection)
            await look()
        if number % 5 == 4:
            await refresh_unit(connection, unit)
            await look()
    assert len(seen) == len(set(seen))


async def test_writers_and_both_refreshes_at_once_lose_no_row(edition_url: str, connection: Any) -> None:
    pool = await asyncpg.create_pool(edition_url, min_size=5, max_size=5)
    ledger = [Span(trace_id=f"t{n}", ts=DAY + timedelta(seconds=n), prompt_tokens=n) for n in range(200)]
    unit = Unit(organisation="acme", day=DAY)

    async def write(part: list[Span]) -> None:
        async with pool.acquire() as writer:
            for span in part:
                await insert(writer, [span])

    async def look_after(*, refreshes: bool) -> None:
        async with pool.acquire() as keeper:
            for _ in range(15):
                await (refresh_unit if refreshes else deduplicate)(keeper, unit)

    try:
        await asyncio.gather(
            *(write(ledger[n::2]) for n in range(2)), look_after(refreshes=True), look_after(refreshes=False)
        )
    finally:
        await pool.close()
    await refresh_before(connection)
    await assert_stored(connection, ledger)


async def test_the_worker_refreshes_a_day_that_ended_a_day_ago_and_once_a_day(connection: Any) -> None:
    today = await connection.fetchval("SELECT date_trunc('day', now(), 'UTC')")
    for days in (0, 1, 2, 3):
        await insert(connection, [Span(trace_id=f"t{days}", ts=today - days * DAYS)])
    legacy = Legacy(clock=lambda: 0.0)
    done = await legacy(connection)
    assert (done["legacy_buckets"], done["units"]) == (2 * len(Level), 0)
    assert [unit.day for unit in await units_before(connection)] == [today - DAYS, today]
    await insert(connection, [Span(trace_id="late", ts=today - 3 * DAYS)])
    assert (await legacy(connection))["legacy_buckets"] == 0
    assert (await Legacy()(connection))["legacy_buckets"] == len(Level)


async def test_the_worker_deduplicates_what_many_statements_touched(connection: Any) -> None:
    await connection.execute(
        "INSERT INTO rollup_dirty SELECT level, 'acme', $1 FROM rollup_level, generate_series(1, 500)",
        DAY + 9999 * DAYS,
    )
    assert (await Legacy()(connection))["removed"] == 499 * len(Level)
    assert await connection.fetchval(ENTRIES) == len(Level)
