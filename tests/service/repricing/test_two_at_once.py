"""Of two processes that apply a plan at once one does, and the other says who does."""

import asyncio
import os
import sys
from typing import Any

import asyncpg
import pytest

from analytics_service.database.connect import session
from analytics_service.reclassify import apply, plan
from tests.service.repricing.stored import CHEAP, DEAR, a_request, imported, planned
from tests.support.eventually import eventually
from tests.support.service import a_row, insert

pytestmark = pytest.mark.postgres

BLOCKED = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"


async def of_prices(url: str) -> str:
    async with session(url, command="test") as connection:
        await imported(connection, [a_request(n) for n in (0, 4)], CHEAP)
        return (await planned(connection, DEAR)).hash


async def of_requests(url: str) -> str:
    outer = a_row(0, trace_id="t", span_id="outer", price_status="full")
    await insert(url, [outer, a_row(1, trace_id="t", span_id="inner", parent_span_id="outer", price_status="full")])
    async with session(url, command="test") as connection:
        made = await plan.make(connection, [], lambda *_: None)
        await apply.save(connection, made)
    return made.hash


async def started(url: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "analytics_service", *arguments),
        env={**os.environ, "DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize(("command", "planning"), [("prices", of_prices), ("requests", of_requests)])
@pytest.mark.parametrize("action", ["apply", "undo"])
async def test_one_applies_and_the_other_says_who_does(
    database_url: str, command: str, planning: Any, action: str
) -> None:
    digest = await planning(database_url)
    if action == "undo":
        assert await (await started(database_url, command, "apply", digest)).wait() == 0
    blocker, watcher = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT FROM traces FOR UPDATE")
            first = await started(database_url, command, action, digest)
            await eventually(lambda: watcher.fetchval(BLOCKED), seconds=60)
            second = await started(database_url, command, action, digest)
            _, error = await second.communicate()
            assert second.returncode == 1, error
            assert f"analytics-{command}" in error.decode()
        output, error = await first.communicate()
        assert first.returncode == 0, error
        assert b"rows changed" in output
    finally:
        await blocker.close()
        await watcher.close()
