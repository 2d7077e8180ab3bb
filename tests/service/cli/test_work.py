"""`work` as processes: the next one leads within seconds of the leader's sudden end."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg

from tests.support.eventually import eventually
from tests.support.process import Process, serving
from tests.support.rollups import differences, refresh, waiting
from tests.support.service import T0, a_row, insert

KEEP = {f"RETENTION_{level}_DAYS": "keep" for level in ("RAW", "1MIN", "1HOUR", "1DAY")}
"""With it a worker ends nothing: the rows of these tests are older than any default."""


async def role(worker: Process) -> str:
    async with worker.session.get(f"{worker.url}/status") as response:
        return str(json.loads(await response.text())["role"])


async def test_another_leads_after_the_leader_was_killed_and_ends_on_sigterm(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(serving(database_url, "work", REFRESH_1DAY_SECONDS="600")) for _ in range(2)
        ]
        for worker in workers:
            await worker.until("/health/ready", 200)

        async def led() -> list[Process]:
            return [worker for worker in workers if await role(worker) == "leader"]

        await eventually(led)
        (leader,) = await led()
        (other,) = (worker for worker in workers if worker is not leader)
        leader.process.send_signal(signal.SIGKILL)
        await leader.process.wait()
        workers.remove(leader)
        await eventually(led, seconds=10)
        other.process.terminate()
        code, output = await asyncio.wait_for(other.ended(), 30)
    assert code == 0
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert events == ["a setting changes nothing any more", "working", "leading", "stopped"]


async def test_rows_that_a_killed_worker_was_ending_are_ended_by_the_next_and_stay_added_up(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    left = "SELECT count(*) FROM traces"
    try:
        for day in range(20):
            await insert(database_url, [a_row(day, ts=T0 + timedelta(days=day))])
        await refresh(connection)
        await connection.execute("INSERT INTO policy (name, value, revision) VALUES ('raw retention', 92, 1)")
        async with serving(database_url, "work") as worker:
            await eventually(lambda: connection.fetchval(f"SELECT ({left}) < 20"), seconds=60)
            worker.process.send_signal(signal.SIGKILL)
            await worker.process.wait()
        assert await connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 20
        async with serving(database_url, "work"):
            await eventually(lambda: connection.fetchval(f"SELECT ({left}) = 0"), seconds=180)
            await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM dropped_partition"), seconds=180)
        assert await connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 20
        partitions = "SELECT count(*) FROM pg_class WHERE relname LIKE 'traces\\_p2024%' AND relkind = 'r'"
        assert await connection.fetchval(partitions) == 0
    finally:
        await connection.close()


async def test_rows_that_a_killed_worker_was_refreshing_are_refreshed_by_the_next(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = [a_row(n, ts=T0 + n * timedelta(minutes=1), org_id=f"o{n % 40}") for n in range(1200)]
    try:
        await insert(database_url, rows)
        await connection.execute("UPDATE rollup_log SET logged_at = logged_at - interval '1 minute'")
        async with serving(database_url, "work", **KEEP) as worker:
            await eventually(lambda: connection.fetchval("SELECT count(*) < 1200 FROM rollup_log"), seconds=60)
            worker.process.send_signal(signal.SIGKILL)
            await worker.process.wait()
        assert await waiting(connection) != (0, 0)
        async with serving(database_url, "work", **KEEP):

            async def done() -> bool:
                return await waiting(connection) == (0, 0)

            await eventually(done, seconds=120)
        assert await differences(connection) == {}
    finally:
        await connection.close()
