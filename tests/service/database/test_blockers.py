"""Who holds a lock that a migration needs is named, without what clients wrote; and it goes on when they are done."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from analytics_service.database.activity import redact_values
from analytics_service.database.migrate.migration import parse
from analytics_service.database.migrate.runner import migrate

pytestmark = pytest.mark.postgres

FIRST = parse("0001_first.sql", "-- phase: expand\nCREATE TABLE first (n int, s text);\n")
ALTER = parse("0002_alter.sql", "-- phase: expand\n-- lock_timeout: 250ms\nALTER TABLE first ADD COLUMN m int;\n")
OUTSIDE = parse(
    "0002_index.sql",
    "-- phase: expand\n-- tx: none\n-- lock_timeout: 250ms\nDROP INDEX CONCURRENTLY IF EXISTS by_n;\n"
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_n ON first (n);\n",
)


@pytest.fixture
async def blocker(empty_url: str) -> AsyncIterator[Any]:
    await migrate(empty_url, [FIRST], notify=lambda _: None)
    opened = await asyncpg.connect(empty_url, server_settings={"application_name": "night report"})
    yield opened
    await opened.close()


@pytest.mark.parametrize("step", [ALTER, OUTSIDE], ids=lambda step: step.name)
async def test_who_is_idle_in_a_transaction_is_named(empty_url: str, blocker: Any, step: Any) -> None:
    said: list[str] = []
    async with blocker.transaction():
        await blocker.execute("INSERT INTO first VALUES (4711, 'my name is Ann')")
        result = await migrate(empty_url, [FIRST, step], notify=said.append)
    assert (result.succeeded, result.reason) == (False, "LockTimeout")
    for text in (result.message, next(line for line in said if "waits for" in line)):
        assert step.name in text
        assert f"process {blocker.get_server_pid()} of postgres (night report), idle in transaction for" in text
        assert "INSERT INTO first VALUES (?, ?)" in text
    assert (await migrate(empty_url, [FIRST, step], notify=said.append)).succeeded


async def test_it_goes_on_by_itself_when_the_blocker_is_done(empty_url: str, blocker: Any) -> None:
    waits = asyncio.Event()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE first")
    run = asyncio.create_task(
        migrate(empty_url, [FIRST, ALTER], notify=lambda line: waits.set() if "waits for" in line else None)
    )
    await asyncio.wait_for(waits.wait(), timeout=30)
    await transaction.rollback()
    result = await run
    assert (result.succeeded, result.applied) == (True, ("0002_alter",)), result.message


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT * FROM t\n WHERE a = 'it''s' AND b=17.5", "SELECT * FROM t WHERE a = ? AND b=?"),
        ("UPDATE t1 SET x = E'a\\nb', y = $$se'cret$$, z = $q$one$q$", "UPDATE t1 SET x = ?, y = ?, z = ?"),
        ("SELECT 1 -- Ann's\n/* and Bob's */ FROM t", "SELECT ? ? ? FROM t"),
        ("SELECT $1, 'cut of", "SELECT $?, ?"),
        ("DO $$ cut off", "DO ?"),
        ("", ""),
    ],
)
def test_values_are_left_out(statement: str, shown: str) -> None:
    assert redact_values(statement) == shown


def test_a_long_statement_is_cut() -> None:
    assert len(redact_values("SELECT " + "column, " * 100)) == 120
