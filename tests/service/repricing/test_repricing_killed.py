"""kill -9 anywhere in applying and undoing: whoever goes on ends where a run does that nobody disturbed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from analytics_service.database.plan_state import PlanState
from analytics_service.repricing import apply, store
from tests.service.repricing.stored import CHEAP, DEAR, a_request, applied, content, imported, planned, undone
from tests.support.eventually import eventually

pytestmark = pytest.mark.postgres

ROWS = [a_request(n) for n in range(12)]
RUN = """
import asyncio, sys
from analytics_service.database.connect import session
from analytics_service.repricing import apply

async def run(url, action, digest):
    async with session(url, command="prices") as connection:
        async for _ in getattr(apply, action)(connection, digest, settle_seconds=0):
            pass

asyncio.run(run(*sys.argv[1:]))
"""
BLOCKED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
UNIT = "SELECT FROM reprice_unit WHERE hour = (SELECT {}(hour) FROM reprice_unit) FOR UPDATE"
AT = {
    "before it begins": "SELECT FROM reprice_plan FOR UPDATE",
    "in the first hour": "SELECT FROM traces WHERE span_id = 'span-0002' FOR UPDATE",
    "at the end of the first hour": UNIT.format("min"),
    "in the last hour": "SELECT FROM traces WHERE span_id = 'span-0009' FOR UPDATE",
    "at the end of the last hour": UNIT.format("max"),
    "when all hours are done": "SELECT pg_advisory_xact_lock(42)",
}
"""The lock that a run waits for when it is killed."""


WAITS_AT_ITS_END = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END
$$;
CREATE TRIGGER wait BEFORE UPDATE ON reprice_plan FOR EACH ROW WHEN (NEW.state IN ('applied', 'undone'))
    EXECUTE FUNCTION wait();
"""


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def killed(url: str, action: str, digest: str, lock: str) -> None:
    """A run that is killed while it waits for the lock; then its session is gone."""
    blocker, watcher = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with blocker.transaction():
            await blocker.execute(lock)
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, url, action, digest)
            try:
                await eventually(lambda: watcher.fetchval(BLOCKED), seconds=60)
            finally:
                process.kill()
                await process.wait()
        left = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'analytics-prices%')"
        await eventually(lambda: watcher.fetchval(left))
    finally:
        await blocker.close()
        await watcher.close()


async def hours(connection: Any) -> set[int]:
    """How many prices each hour has rows of."""
    rows = await connection.fetch(
        "SELECT count(DISTINCT total_cost_usd)::int AS n FROM traces GROUP BY date_bin('1 hour', ts, 'epoch')"
    )
    return {row["n"] for row in rows}


@pytest.mark.parametrize("lock", [pytest.param(lock, id=name) for name, lock in AT.items()])
async def test_whoever_goes_on_ends_where_an_undisturbed_run_does(
    connection: Any, database_url: str, lock: str
) -> None:
    await imported(connection, ROWS, CHEAP)
    before = await content(connection)
    made = await planned(connection, DEAR)
    await connection.execute(WAITS_AT_ITS_END)
    await killed(database_url, "apply", made.hash, lock)
    assert await hours(connection) == {1}
    await applied(connection, made.hash)
    await imported(connection, [{**row, "organisation": "smooth"} for row in ROWS], DEAR)
    smooth = await content(connection, organisation="smooth")
    assert [row.replace("smooth", "acme") for row in smooth] == await content(connection)
    await connection.execute("DELETE FROM traces WHERE org_id = 'smooth'")

    await connection.execute("SELECT pg_advisory_unlock_all()")
    await killed(database_url, "undo", made.hash, lock)
    assert await hours(connection) == {1}
    await undone(connection, made.hash)
    assert await content(connection) == before
    assert (await store.load(connection, made.hash)).state is PlanState.UNDONE
    assert await connection.fetchval("SELECT count(*) FROM reprice_journal") == 0


@pytest.mark.parametrize("action", [apply.apply, apply.undo])
async def test_whoever_goes_on_waits_for_answers_of_before(connection: Any, action: Any) -> None:
    """What is left of the time since a process began that was killed while it waited, by the database's clock."""
    await imported(connection, ROWS, CHEAP)
    made = await planned(connection, DEAR)
    if action is apply.undo:
        await applied(connection, made.hash)
    waits: list[float] = []

    async def stopped(seconds: float) -> None:
        waits.append(seconds)
        raise asyncio.CancelledError

    before = await content(connection)
    for ago in (0, 1800, 3600):
        await connection.execute("UPDATE reprice_plan SET began_at = began_at - $1::int * interval '1 second'", ago)
        with pytest.raises(asyncio.CancelledError):
            await anext(action(connection, made.hash, settle_seconds=3600, sleep=stopped))
        await connection.execute("SELECT pg_advisory_unlock_all()")
    assert [round(wait, -3) for wait in waits] == [4000, 2000, -2000]
    assert await content(connection) == before


async def test_what_was_half_applied_is_undone(connection: Any, database_url: str) -> None:
    await imported(connection, ROWS, CHEAP)
    before = await content(connection)
    made = await planned(connection, DEAR)
    await killed(database_url, "apply", made.hash, AT["in the last hour"])
    assert await content(connection) != before
    await undone(connection, made.hash)
    assert await content(connection) == before
