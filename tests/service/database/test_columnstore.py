"""Compressed chunks, which only the community edition makes: late rows, changes and deletes still reach the rollups."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.database import edition
from analytics_service.database.edition import Edition
from analytics_service.rollups.levels import Level
from tests.service.rollups.ledger import DAY, SUMMED, Span, answered, expected, insert, moved
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

EVERYTHING = (DAY - timedelta(days=1), DAY + timedelta(days=9))
LEDGER = [
    Span(trace_id=f"t{n}", ts=DAY + n * timedelta(minutes=11), prompt_tokens=n, model=f"m{n % 3}") for n in range(600)
]


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    """All rows are in compressed chunks, and in the rollups."""
    opened = await asyncpg.connect(edition_url)
    if (await edition.inspect(opened)).edition is not Edition.COMMUNITY:
        await opened.close()
        pytest.skip("only TimescaleDB's community edition compresses")
    await insert(opened, LEDGER)
    await refresh(opened)
    await opened.execute(
        "ALTER TABLE traces SET (timescaledb.compress, timescaledb.compress_segmentby = 'org_id, model', "
        "timescaledb.compress_orderby = 'ts DESC')"
    )
    await opened.execute("SELECT compress_chunk(c) FROM show_chunks('traces') AS c")
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("statement", "after"),
    [
        pytest.param("DELETE FROM traces WHERE trace_id = 't7'", lambda span: span.trace_id != "t7", id="one row"),
        pytest.param(
            "DELETE FROM traces WHERE org_id = 'acme' AND model = 'm1'", lambda span: span.model != "m1", id="segments"
        ),
        pytest.param("DELETE FROM traces", lambda _span: False, id="all rows"),
        pytest.param("TRUNCATE traces", lambda _span: False, id="truncate"),
    ],
)
async def test_what_is_deleted_leaves_the_rollups(connection: Any, statement: str, after: Any) -> None:
    await connection.execute(statement)
    await assert_answers(connection, [span for span in LEDGER if after(span)])


async def test_late_rows_and_changes_reach_the_rollups(connection: Any) -> None:
    late = [moved(span, trace_id=f"late{span.trace_id}") for span in LEDGER[:30]]
    await insert(connection, late)
    await connection.execute("UPDATE traces SET prompt_tokens = 1000 WHERE trace_id = 't100'")
    await connection.execute(
        "INSERT INTO traces (org_id, trace_id, span_id, ts) SELECT org_id, trace_id, span_id, ts FROM traces "
        "WHERE trace_id = 't200' ON CONFLICT DO NOTHING"
    )
    changed = [moved(span, prompt_tokens=1000) if span.trace_id == "t100" else span for span in LEDGER]
    await assert_answers(connection, [*changed, *late])


async def assert_answers(connection: Any, ledger: list[Span]) -> None:
    """Before and after a refresh."""
    for level in (Level.RAW, *SUMMED):
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level
    await refresh(connection)
    for level in SUMMED:
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level
