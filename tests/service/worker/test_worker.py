"""The worker: one of several leads, what it does keeps answers right, and it says how it goes."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest

from analytics_service import settings
from analytics_service.errors import PoolerInTheWay
from analytics_service.policies.desired import Policy
from analytics_service.worker.jobs import Job, make_partitions
from analytics_service.worker.leader import Worker
from analytics_service.worker.report import Report
from analytics_service.worker.retention import Retention
from analytics_service.worker.service import Working, working
from tests.service.http.test_metrics_page import PAGE
from tests.support.eventually import eventually
from tests.support.pgbouncer import pooled
from tests.support.postgres import PASSWORD
from tests.support.rollups import refresh
from tests.support.service import HOUR, T0, a_row, a_service, insert

pytestmark = pytest.mark.postgres

HOLDER = """
SELECT a.pid FROM pg_locks JOIN pg_stat_activity AS a USING (pid)
WHERE locktype = 'advisory' AND granted AND a.application_name LIKE 'analytics-work/%'
    AND a.datname = current_database()
"""
WAITING = "SELECT (SELECT count(*) FROM rollup_log) + (SELECT count(*) FROM rollup_stale)"


@asynccontextmanager
async def a_worker(url: str, **environment: str) -> AsyncIterator[Working]:
    """Keeps the rows of these tests, which are old."""
    given = {"DATABASE_URL": url, "APP_HOST": "127.0.0.1", "RETENTION_RAW_DAYS": "keep", **environment}
    async with working(settings.load(given).model_copy(update={"api_metrics_port": 0})) as worker:
        yield worker


async def told(worker: Working, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{worker.port}{path}") as response,
    ):
        return response.status, await response.text()


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


async def leads(worker: Working) -> None:
    async def leading() -> bool:
        return worker.report.leading

    await eventually(leading, seconds=30)


async def test_late_rows_reach_the_rollups_and_answers_stay_equal(edition_url: str, connection: Any) -> None:
    params: dict[str, Any] = {"metrics": "request_count,total_cost", "from_": T0, "to": T0 + HOUR}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(a_service(edition_url))
        await insert(edition_url, [a_row(number) for number in range(30)])
        fresh = {"Cache-Control": "no-cache"}
        before = (await client.get("/api/v1/metrics", headers=fresh, **params)).json
        worker = await stack.enter_async_context(a_worker(edition_url))  # not earlier: it may be faster than we ask

        async def clean() -> bool:
            return bool(await connection.fetchval(WAITING) == 0)

        await eventually(clean, seconds=30)
        after = (await client.get("/api/v1/metrics", headers=fresh, **params)).json
        assert before["data"] == after["data"]
        assert await connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 30

        async def reported() -> bool:  # the job commits before it reports
            _, metrics = await told(worker, "/metrics")
            return "analytics_rollup_log_entries_refreshed_total 30.0" in metrics

        await eventually(reported, seconds=30)
        _, metrics = await told(worker, "/metrics")
    assert "analytics_worker_leading 1.0" in metrics


async def test_one_leads_and_another_takes_over_when_its_session_ends(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(a_worker(database_url)) for _ in range(3)]

        async def one_leads() -> bool:
            return sum(worker.report.leading for worker in workers) == 1

        await eventually(one_leads)
        first = next(worker for worker in workers if worker.report.leading)
        others = [worker for worker in workers if worker is not first]

        async def all_ready() -> bool:
            return [(await told(worker, "/health/ready"))[0] for worker in workers] == [200] * 3

        await eventually(all_ready)
        first.task.cancel()
        await asyncio.wait({first.task})
        await eventually(one_leads)
        holder = await connection.fetchval(HOLDER)
        assert sum(worker.report.leading for worker in others) == 1
        await connection.execute("SELECT pg_terminate_backend($1)", holder)

        async def another_session_leads() -> bool:
            return await connection.fetchval(HOLDER) not in {None, holder} and await one_leads()

        await eventually(another_session_leads)
    await connection.close()


async def test_a_database_that_is_not_there_is_waited_for_without_its_password() -> None:
    async with a_worker(f"postgres://user:{PASSWORD}@127.0.0.1:1/none") as worker:

        async def named() -> bool:
            return "no connection" in (worker.report.problem or "")

        await eventually(named)
        assert (await told(worker, "/health/live"))[0] == 200
        status, text = await told(worker, "/health/ready")
        assert (status, PASSWORD in text) == (503, False)
        assert '"role":"standby"' in (await told(worker, "/status"))[1]


async def test_a_schema_that_is_not_there_yet_is_waited_for(empty_url: str) -> None:
    async with a_worker(empty_url) as worker:

        async def named() -> bool:
            return "migrate" in (worker.report.problem or "")

        await eventually(named)
        assert not worker.report.leading


@pytest.mark.parametrize("ignored", ["", "jit,search_path,statement_timeout,extra_float_digits"])
async def test_a_pooler_is_refused(database_url: str, ignored: str) -> None:
    with (
        pooled(database_url, ignore_startup_parameters=ignored) as url,
        pytest.raises(PoolerInTheWay, match="own addr"),
    ):
        await Worker(url, (), Report(())).run()


async def test_a_job_that_fails_is_said_and_holds_up_no_other(database_url: str) -> None:
    async def fail(connection: Any) -> dict[str, Any]:
        await connection.execute("SELECT 1 / 0")
        return {}

    async def succeed(_connection: Any) -> dict[str, Any]:
        return {"made": 1}

    table = tuple(
        Job(name=name, every=timedelta(seconds=0.05), run=run) for name, run in (("fail", fail), ("succeed", succeed))
    )
    report = Report(("fail", "succeed"))
    task = asyncio.create_task(Worker(database_url, table, report).run())

    async def twice() -> bool:
        return report.jobs["fail"].failures >= 2 and report.jobs["succeed"].succeeded_at is not None

    await eventually(twice)
    task.cancel()
    await asyncio.wait({task})
    assert "division by zero" in (report.jobs["fail"].error or "")
    assert report.jobs["succeed"].details == {"made": 1}


async def test_partitions_are_made_ahead(edition_url: str, connection: Any) -> None:
    first = await make_partitions(connection)
    again = await make_partitions(connection)
    assert again["made"] == 0
    await insert(edition_url, [a_row(1, ts=datetime.now(UTC) + timedelta(days=6))])
    if first["runway_seconds"] is None:
        assert await connection.fetchval("SELECT to_regclass('traces_partitions')") is None
    else:
        assert first["runway_seconds"] >= timedelta(days=7).total_seconds()


async def test_the_page_lists_the_metrics_of_the_worker(database_url: str) -> None:
    async with a_worker(database_url) as worker:

        async def refreshed() -> bool:
            return worker.report.jobs["refresh"].succeeded_at is not None

        await eventually(refreshed)
        _, text = await told(worker, "/metrics")
    exposed = set(re.findall(r"^# TYPE (\w+)", text, flags=re.MULTILINE)) - {"process_start_time_seconds"}
    listed = set(re.findall(r"^\| `(\w+)`", PAGE.split("## The worker")[1], flags=re.MULTILINE))
    assert listed == {name for name in exposed if not name.startswith("process_") and not name.endswith("_created")}


async def status(worker: Working) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await told(worker, "/status"))[1])
    return found


async def test_the_leader_says_how_policies_and_data_stand_and_others_do_not(edition_url: str) -> None:
    async with a_worker(edition_url, RETENTION_RAW_DAYS="92") as first, a_worker(edition_url) as second:

        async def told_by_one() -> bool:
            return any([(await status(worker))["fresh"] for worker in (first, second)])

        await eventually(told_by_one, seconds=60)
        leader, standby = (first, second) if first.report.leading else (second, first)

        async def stands_by() -> bool:
            return (await status(standby))["edition"] is not None

        await eventually(stands_by)
        led, stood = await status(leader), await status(standby)
    assert (led["role"], stood["role"]) == ("leader", "standby")
    assert led["edition"] == stood["edition"]
    assert led["edition"] in {"postgresql", "timescaledb-apache", "timescaledb-community"}
    assert (stood["policies"], stood["fresh"]) == (None, None)
    assert (led["policies"]["reason"], led["policies"]["plan"]) == ("Applied", None)
    assert [row["name"] for row in led["policies"]["table"]] == [policy.value for policy in Policy]
    assert set(led["policies"]["table"][0]) == {"name", "wanted", "found", "state", "message"}
    assert led["fresh"] == {
        "fresh": True,
        "reason": "Fresh",
        "message": "rollups, partitions and jobs are in order",
    }
    assert set(led["jobs"]) == {"policies", "partitions", "refresh", "legacy", "retention", "snapshots"}
    assert set(led["jobs"]["policies"]["found"]) == {"applied", "healed"}


async def test_a_loss_waits_for_its_hash_and_then_raw_ends(edition_url: str, connection: Any) -> None:
    await insert(edition_url, [a_row(number) for number in range(3)])
    await refresh(connection)
    async with a_worker(edition_url, RETENTION_RAW_DAYS="92") as worker:

        async def held() -> bool:
            return bool((await status(worker))["policies"])

        await eventually(held, seconds=60)
        policies = (await status(worker))["policies"]
        _, metrics = await told(worker, "/metrics")
    assert policies["reason"] == "DestructiveChange"
    assert policies["plan"] in policies["message"]
    assert 'policy_applied{policy="raw retention"} 0.0' in metrics
    assert await connection.fetchval("SELECT count(*) FROM traces") == 3
    approved = {"RETENTION_RAW_DAYS": "92", "ALLOW_DESTRUCTIVE": policies["plan"]}
    async with a_worker(edition_url, **approved) as worker:

        async def gone() -> bool:
            return bool(await connection.fetchval("SELECT count(*) = 0 FROM traces"))

        await eventually(gone, seconds=60)

        async def counted() -> bool:
            return "analytics_retention_dropped_chunks_total 1.0" in (await told(worker, "/metrics"))[1]

        await eventually(counted)
        assert (await status(worker))["policies"]["reason"] == "Applied"


async def test_a_reader_that_holds_retention_up_is_waited_for_and_that_is_no_failure(
    database_url: str,
) -> None:
    connection, reader = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    now = 0.0
    retention = Retention(clock=lambda: now)
    await insert(database_url, [a_row(0)])
    await connection.execute("INSERT INTO policy (name, value, revision) VALUES ('raw retention', 92, 1)")
    try:
        transaction = reader.transaction()
        await transaction.start()
        await reader.fetchval("SELECT count(*) FROM traces")
        assert (await retention(connection))["waits_for"] == "a lock that others hold"
        now = 6 * 3600.0 + 1
        with pytest.raises(asyncpg.PostgresError):
            await retention(connection)
        await transaction.commit()
        assert await retention(connection) == {
            "dropped_chunks": 1,
            "deleted_rows": 1,
            "waits_for": None,
        }, "the row of a rollup is the part of its quarter of an hour"
    finally:
        await reader.close()
        await connection.close()


async def test_retention_gives_others_their_turn(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    ticks = itertools.count(0, 15)
    retention = Retention(clock=lambda: next(ticks))
    for day in range(3):
        await insert(database_url, [a_row(day, ts=T0 + timedelta(days=day))])
    await refresh(connection)
    await connection.execute("INSERT INTO policy (name, value, revision) VALUES ('raw retention', 92, 1)")
    try:
        turns = [await retention(connection) for _ in range(5)]
    finally:
        await connection.close()
    assert sum(turn["dropped_chunks"] for turn in turns) == 3
    assert max(turn["dropped_chunks"] for turn in turns) < 3


async def test_a_snapshot_is_measured_by_the_leader_alone() -> None:
    report = Report(("policies", "partitions", "refresh", "snapshots"))

    def measured() -> float | None:
        return report.registry.get_sample_value("analytics_oldest_snapshot_seconds")

    report.leads(since=datetime.now(UTC))
    details = {"oldest_snapshot_seconds": 901.0, "old_snapshots": []}
    report.succeeded("snapshots", at=datetime.now(UTC), seconds=0.1, details=details)
    assert measured() == 901
    report.leads_no_more()
    assert measured() == 0


async def test_policies_that_cannot_be_looked_at_are_said_to_fail(database_url: str) -> None:
    report = Report(("policies", "partitions", "refresh"))
    report.leads(since=datetime.now(UTC))
    assert (report.as_dict()["policies"], report.as_dict()["fresh"]) == (None, None)
    report.failed("policies", "the disk is full")
    assert report.as_dict()["policies"] == {
        "reason": "Failed",
        "message": "the disk is full",
        "plan": None,
        "table": [],
    }
    report.leads_no_more()
    assert report.as_dict()["policies"] is None
