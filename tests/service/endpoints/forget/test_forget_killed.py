"""kill -9 anywhere in applying a plan: the same request goes on, and ends where an undisturbed one does."""

import asyncio
import sys
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.support.environment import program_environment
from tests.support.eventually import eventually
from tests.support.forget import applied, forget
from tests.support.service import T0, Client, a_row, insert

pytestmark = pytest.mark.postgres

ROWS = [
    a_row(number, trace_id=f"t{number}", ts=T0 + number * timedelta(hours=1), user_id=user)
    for number, user in enumerate(["ann", "bob"] * 4)
]
BLOCKED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
GONE = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'analytics-forget%')"
AT = {
    "before it begins": ("LOCK TABLE forget_plan IN EXCLUSIVE MODE", 4),
    "in the first hour": ("SELECT FROM traces WHERE trace_id = 't0' FOR UPDATE", 4),
    "in the third hour": ("SELECT FROM traces WHERE trace_id = 't4' FOR UPDATE", 2),
    "when all rows are deleted": ("SELECT FROM rollup_floor FOR UPDATE", 0),
}
"""The lock that a run waits for when it is killed, and the rows of the user that are left then."""


async def killed(url: str, plan: str, lock: str) -> None:
    blocker, watcher = await asyncpg.connect(url), await asyncpg.connect(url)
    command = ("forget", "apply", plan, "--org", "acme", "--user-id", "ann")
    try:
        async with blocker.transaction():
            await blocker.execute(lock)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "analytics_service", *command), env=program_environment(DATABASE_URL=url)
            )
            try:
                await eventually(lambda: watcher.fetchval(BLOCKED), seconds=60)
            finally:
                process.kill()
                await process.wait()
        await eventually(lambda: watcher.fetchval(GONE))
    finally:
        await blocker.close()
        await watcher.close()


@pytest.mark.parametrize(("lock", "left"), [pytest.param(*each, id=name) for name, each in AT.items()])
async def test_the_same_request_goes_on(
    client: Client, database_url: str, connection: Any, lock: str, left: int
) -> None:
    await insert(database_url, ROWS)
    plan = (await forget(client)).data["plan"]
    await killed(database_url, plan, lock)
    assert await connection.fetchval("SELECT count(*) FROM traces WHERE user_id = 'ann'") == left
    answer = await forget(client, plan=plan)
    assert (answer.data["state"], answer.data["rows_deleted"]) == ("applied", 4)
    assert await connection.fetchval("SELECT array_agg(DISTINCT user_id) FROM traces") == ["bob"]
    assert (await forget(client)).data["plan"] is None


async def test_a_new_plan_takes_what_a_killed_one_left(client: Client, database_url: str, connection: Any) -> None:
    await insert(database_url, ROWS)
    plan = (await forget(client)).data["plan"]
    await killed(database_url, plan, AT["in the third hour"][0])
    assert (await applied(client))["rows_deleted"] == 2
    assert (await forget(client, plan=plan)).data["state"] == "applied", "which has nothing left to do"
    assert await connection.fetchval("SELECT count(*) FROM forget_plan") == 0
