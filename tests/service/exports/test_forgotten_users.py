"""Exports that may hold rows of a user who is forgotten end, or begin anew; others stay."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_service.worker.exports.upkeep import ExportUpkeep
from tests.service.exports.test_export_worker import Gate
from tests.support.exports import GLOBEX, Exports, an_exporter, files
from tests.support.forget import applied
from tests.support.keys import bearing
from tests.support.service import T0, a_row, a_token, execute, insert

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
MIDNIGHT = T0.replace(hour=0)


def days(first: int, last: int) -> dict[str, str]:
    return {"from_": (MIDNIGHT + first * DAY).isoformat(), "to": (MIDNIGHT + last * DAY).isoformat()}


@pytest.fixture
async def rows(database_url: str) -> None:
    """Ann has some on the first day alone, in the project web."""
    await insert(
        database_url,
        [
            *(a_row(number, user_id="ann") for number in range(3)),
            *(a_row(number, user_id="bob", ts=T0 + number * DAY) for number in range(3, 6)),
            a_row(9, user_id="ann", org_id="globex"),
        ],
    )


async def test_exports_that_may_hold_rows_of_the_user_end(made: Exports, rows: None, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"format": "jsonl", "fields": ["user_id"]}
    ended = {
        "all": await made.exported(**asked, **days(0, 9)),
        "of ann": await made.exported(**asked, **days(0, 9), user_id="ann"),
        "of her without rows": await made.exported(**asked, **days(3, 9), user_id="ann"),
        "of her project": await made.exported(a_token(projects=["web"]), **asked, **days(0, 1)),
    }
    kept = {
        "of bob": await made.exported(**asked, **days(0, 9), user_id="bob"),
        "of other days": await made.exported(**asked, **days(1, 9)),
        "of another organisation": await made.exported(GLOBEX, **asked, **days(0, 9)),
    }
    assert (await applied(made.client))["rows_deleted"] == 3
    for name, job in ended.items():
        found = await made.job(job["job_id"])
        assert (found["status"], found["download_url"]) == ("expired", None), name
        assert (await made.fetched(job)).status == 410, name
    for name, job in kept.items():
        assert (await made.fetched(job)).body.splitlines() != [], name
    assert (await ExportUpkeep(made.storage)(made.connection))["deleted"] == len(ended)
    assert sorted(path.parent.name for path in files(tmp_path)) == sorted(job["job_id"] for job in kept.values())
    stored = await made.connection.fetch("SELECT request::text FROM export_job WHERE org_id = 'acme'")
    assert not any("ann" in row["request"] for row in stored)


async def test_an_export_that_is_written_meanwhile_begins_anew(
    made: Exports, database_url: str, rows: None, tmp_path: Path
) -> None:
    id_ = await made.created(format="jsonl", fields=["user_id"], **days(0, 9))
    waits = await made.created(format="jsonl", **days(0, 9), user_id="ann")
    gate = Gate(tmp_path)
    task = asyncio.create_task(an_exporter(database_url, gate).export_next(made.connection))
    await gate.reached.wait()
    await applied(made.client)
    gate.open.set()
    await task
    assert files(tmp_path) == []
    assert await made.exporter.export_next(made.connection)
    job = await made.job(id_)
    assert job["status"] == "completed"
    users = [json.loads(line)["user_id"] for line in (await made.fetched(job)).body.splitlines()]
    assert users == ["bob"] * 3
    assert (await made.job(waits))["status"] == "cancelled"


async def test_who_forgets_in_a_project_ends_no_export_of_others(made: Exports, database_url: str, rows: None) -> None:
    await execute(database_url, "UPDATE traces SET project_id = 'web'")
    of_batch = await made.exported(a_token(projects=["batch"]), **days(0, 9))
    filtered = await made.exported(**days(0, 9), project_id="batch")
    whole = await made.exported(**days(0, 9))
    await applied(made.client, headers=bearing(a_token(role="admin", projects=["web"])))
    states = [(await made.job(job["job_id"]))["status"] for job in (of_batch, filtered, whole)]
    assert states == ["completed", "completed", "expired"]
