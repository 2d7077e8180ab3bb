"""What writers append to the log, and what a refresh makes of it: few rows, of which each is needed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from analytics_service.rollups.hierarchy.refresh import Refresher
from tests.service.rollups.hierarchy.stored import check, check_refreshed, connect, insert, stored
from tests.service.rollups.hierarchy.witness import DAY, HOURS, MINUTES, Span
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

LOG = "SELECT org_id, minute, requests FROM rollup_log ORDER BY org_id, minute"
STALE = "SELECT step, count(*) FROM rollup_stale GROUP BY step"


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    connection = await connect(edition_url)
    yield connection
    await connection.close()


async def test_a_row_that_arrives_alone_writes_one_entry(connection: Any) -> None:
    await insert(connection, [Span(trace_id="a", ts=DAY + timedelta(seconds=61))])
    assert [tuple(row) for row in await connection.fetch(LOG)] == [("acme", DAY + MINUTES, True)]


async def test_a_statement_of_many_rows_writes_an_entry_for_each_organisation_and_minute(connection: Any) -> None:
    spans = [
        Span(trace_id=f"t{n}", ts=DAY + timedelta(seconds=n), org_id=("acme", "other")[n % 2], is_request=n >= 120)
        for n in range(500)
    ]
    await insert(connection, spans)
    minutes = [DAY + n * MINUTES for n in range(9)]
    rows = [
        (organisation, minute, minute >= DAY + 2 * MINUTES) for organisation in ("acme", "other") for minute in minutes
    ]
    assert [tuple(row) for row in await connection.fetch(LOG)] == rows


async def test_two_statements_write_an_entry_each_though_one_is_there(connection: Any) -> None:
    for n in range(3):
        await insert(connection, [Span(trace_id=f"t{n}", ts=DAY)])
    assert await connection.fetchval("SELECT count(*) FROM rollup_log") == 3


async def test_who_takes_entries_names_each_next_coarser_bucket_once(connection: Any) -> None:
    spans = [Span(trace_id=f"t{n}", ts=DAY + n * MINUTES, model=f"m{n % 7}") for n in range(45)]
    await insert(connection, spans)
    await anext(Refresher(connection, "acme").steps())
    assert await connection.fetchval("SELECT count(*) FROM rollup_log") == 0
    assert dict(await connection.fetch(STALE)) == {"15min": 3, "part": 3}
    steps = []
    async for _ in Refresher(connection, "acme").steps():
        steps.append(dict(await connection.fetch(STALE)))
        await check(connection, spans)
    assert steps == [
        {"1hour": 1, "part": 3},
        {"6hour": 1, "part": 3},
        {"1day": 1, "part": 3},
        {"part": 3},
        {"users_1hour": 1},
        {"users_6hour": 1},
        {},
    ]
    await check_refreshed(connection, spans)


async def test_entries_of_one_bucket_leave_one_stale_row_behind(connection: Any) -> None:
    for n in range(30):
        await insert(connection, [Span(trace_id=f"t{n}", ts=DAY + timedelta(seconds=n * 20), model=f"m{n}")])
    await anext(Refresher(connection, "acme").steps())
    assert dict(await connection.fetch(STALE)) == {"15min": 1, "part": 1}


async def test_a_minute_that_did_not_change_makes_no_total_stale(connection: Any) -> None:
    await insert(connection, [Span(trace_id="a", ts=DAY, team_id="one")])
    await refresh(connection)
    await connection.execute("UPDATE traces SET team_id = 'two'")
    await anext(Refresher(connection, "acme").steps())
    assert dict(await connection.fetch(STALE)) == {"part": 1}


async def test_each_combination_has_one_number_for_good(connection: Any) -> None:
    spans = [Span(trace_id=f"t{n}", ts=DAY + n * HOURS, model=f"m{n % 3}") for n in range(9)]
    for span in spans:
        await insert(connection, [span])
        await refresh(connection)
    assert await connection.fetchval("SELECT count(*) FROM rollup_dimension") == 3
    assert len(await stored(connection, "totals_1hour")) == 9
