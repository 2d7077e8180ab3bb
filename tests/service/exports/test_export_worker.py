"""Exports that are cancelled, left behind, refused by their storage, or whose time has come."""

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from analytics_service import settings
from analytics_service.commands import try_run
from analytics_service.contract.exports import StoredFile
from analytics_service.database.connect import session
from analytics_service.database.export_jobs import JobStatus
from analytics_service.errors import StorageError
from analytics_service.storage.directory import Directory
from analytics_service.storage.s3 import Bucket
from analytics_service.worker.exports.claims import MAX_ATTEMPTS
from analytics_service.worker.exports.exporter import Exporter
from analytics_service.worker.exports.upkeep import ExportUpkeep
from tests.support.eventually import eventually
from tests.support.exports import GLOBEX, JOBS, Exports, an_exporter, files
from tests.support.process import serving
from tests.support.service import HOUR, SECRET, T0, a_row, a_token, execute, insert

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
HOUR_OF_T0 = {"from_": T0.isoformat(), "to": (T0 + HOUR).isoformat()}


class Gate:
    """A storage that waits, before it takes the first part, until the test lets it go on."""

    def __init__(self, folder: Path) -> None:
        self.directory = Directory(folder)
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self.delete, self.locate = self.directory.delete, self.directory.locate

    async def put(self, file: StoredFile, parts: AsyncIterator[bytes]) -> None:
        async def gated() -> AsyncIterator[bytes]:
            async for part in parts:
                self.reached.set()
                await self.open.wait()
                yield part

        await self.directory.put(file, gated())


class Broken:
    """A storage that takes nothing."""

    async def put(self, _file: StoredFile, _parts: AsyncIterator[bytes]) -> None:
        raise StorageError("it is full")

    async def delete(self, _prefix: str, *, but: str | None = None) -> None:
        raise StorageError(f"it is full {but or ''}")

    async def locate(self, _file: StoredFile) -> Path:
        raise StorageError("it is full")


async def test_an_export_that_is_cancelled_while_it_is_written_leaves_nothing(
    made: Exports, database_url: str, tmp_path: Path
) -> None:
    await insert(database_url, [a_row(number) for number in range(10)])
    id_ = await made.created(**HOUR_OF_T0)
    gate = Gate(tmp_path)
    task = asyncio.create_task(an_exporter(database_url, gate).export_next(made.connection))
    await gate.reached.wait()
    assert (await made.job(id_))["status"] == "processing"
    token = {"Authorization": f"Bearer {made.client.token}"}
    assert (await made.client.request("DELETE", f"{JOBS}/{id_}", headers=token)).status == 200
    gate.open.set()
    await task
    assert (await made.job(id_))["status"] == "cancelled"
    assert files(tmp_path) == []


async def test_what_an_attempt_before_writes_is_not_the_file(made: Exports, database_url: str, tmp_path: Path) -> None:
    """Its session was lost, and it does not know yet."""
    await insert(database_url, [a_row(number) for number in range(10)])
    id_ = await made.created(**HOUR_OF_T0)
    gate = Gate(tmp_path)
    async with session(database_url, command="work") as lost:
        task = asyncio.create_task(an_exporter(database_url, gate).export_next(lost))
        await gate.reached.wait()
        assert not await made.exporter.export_next(made.connection), "one at a time writes it"
        await execute(database_url, f"SELECT pg_terminate_backend({lost.get_server_pid()}, 10000)")
        assert await made.exporter.export_next(made.connection)
        job = await made.job(id_)
        gate.open.set()
        with pytest.raises(Exception, match="connection"):
            await task
    (file,) = files(tmp_path)
    assert job["checksum"] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert (await made.job(id_)) | {"seconds_until_expiration": 0} == job | {"seconds_until_expiration": 0}


async def test_a_killed_worker_loses_no_export(made: Exports, database_url: str, tmp_path: Path) -> None:
    await insert(database_url, [a_row(number, input_text="x" * 20_000) for number in range(4000)])
    ids = [
        await made.created(
            format=name, fields=["trace_id", "input_text"], from_=T0.isoformat(), to=(T0 + DAY).isoformat()
        )
        for name in ("jsonl", "parquet")
    ]
    environment = {"EXPORT_DIRECTORY": str(tmp_path), "RETENTION_RAW_DAYS": "keep"}

    async def some_are(*states: str) -> bool:
        return any([(await made.job(id_))["status"] in states for id_ in ids])

    for _ in range(3):
        async with serving(database_url, "work", **environment) as worker:
            await eventually(lambda: some_are("processing", "completed"), seconds=60)
            worker.process.kill()
            await worker.ended()

    async def all_are_complete() -> bool:
        return all([(await made.job(id_))["status"] == "completed" for id_ in ids])

    async with serving(database_url, "work", **environment):
        await eventually(all_are_complete, seconds=120)
    jobs = [await made.job(id_) for id_ in ids]
    assert sorted(path.parent.name for path in files(tmp_path)) == sorted(ids), "a file each"
    for job in jobs:
        answer = await made.fetched(job)
        assert job["trace_count"] == 4000
        assert job["checksum"] == f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    lines = (await made.fetched(jobs[0])).body.splitlines()
    assert [json.loads(line)["trace_id"] for line in lines] == [f"trace-{number:05}" for number in range(4000)]


async def test_a_storage_that_fails_is_tried_again_later(made: Exports, database_url: str) -> None:
    id_ = await made.created(**HOUR_OF_T0)
    broken = an_exporter(database_url, Broken())
    assert await broken.export_next(made.connection)
    job = await made.job(id_)
    assert (job["status"], job["error_message"]) == (
        "pending",
        "the storage did not take the file",
    )
    assert not await made.exporter.export_next(made.connection), "not at once"
    await execute(database_url, "UPDATE export_job SET not_before = now()")
    assert await made.exporter.export_next(made.connection)
    job = await made.job(id_)
    assert (job["status"], job["error_message"]) == ("completed", None)


async def test_an_export_that_never_ends_well_fails(made: Exports, database_url: str) -> None:
    id_ = await made.created(**HOUR_OF_T0)
    await execute(database_url, "UPDATE export_job SET attempt = $1, status = 'processing'", MAX_ATTEMPTS)
    ended = list[tuple[JobStatus, int]]()
    exporter = Exporter(database_url, made.storage, DAY, ended=lambda *how: ended.append(how))
    assert not await exporter.export_next(made.connection)
    assert not await exporter.export_next(made.connection)
    assert ended == [(JobStatus.FAILED, 0)], "once"
    job = await made.job(id_)
    assert (job["status"], job["can_cancel"], job["can_download"]) == ("failed", False, False)
    assert f"ended {MAX_ATTEMPTS} times" in job["error_message"]


async def test_what_this_release_cannot_read_fails_and_says_why(made: Exports, database_url: str) -> None:
    id_ = await made.created(**HOUR_OF_T0)
    await execute(database_url, """UPDATE export_job SET request = request || '{"of_a_later_release": 1}'""")
    assert await made.exporter.export_next(made.connection)
    job = await made.job(id_)
    assert (job["status"], "of_a_later_release" in job["error_message"]) == ("failed", True)


async def test_organisations_take_turns(made: Exports, database_url: str, tmp_path: Path) -> None:
    first = [await made.created(**HOUR_OF_T0) for _ in range(3)]
    other = await made.created(GLOBEX, **HOUR_OF_T0)
    gate = Gate(tmp_path)
    task = asyncio.create_task(an_exporter(database_url, gate).export_next(made.connection))
    await gate.reached.wait()
    async with session(database_url, command="work") as beside:
        assert await made.exporter.export_next(beside)
    assert (await made.job(other, GLOBEX))["status"] == "completed"
    assert [(await made.job(id_))["status"] for id_ in first] == ["processing", "pending", "pending"]
    gate.open.set()
    await task


async def test_files_end_with_their_time_and_rows_a_month_later(
    made: Exports, database_url: str, tmp_path: Path
) -> None:
    kept, ended = await made.exported(**HOUR_OF_T0), await made.exported(**HOUR_OF_T0)
    upkeep = ExportUpkeep(made.storage)
    assert (await upkeep(made.connection))["deleted"] == 0
    await execute(database_url, "UPDATE export_job SET expires_at = now() WHERE id = $1", ended["job_id"])
    assert (await upkeep(made.connection))["deleted"] == 1
    assert [path.parent.name for path in files(tmp_path)] == [kept["job_id"]]
    job = await made.job(ended["job_id"])
    assert (job["status"], job["trace_count"], job["checksum"]) == ("expired", 0, ended["checksum"])
    month = "interval '31 days'"
    await execute(
        database_url, f"UPDATE export_job SET created_at = created_at - {month}, finished_at = now() - {month}"
    )
    await upkeep(made.connection)
    assert (await made.job(ended["job_id"]))["status"] == "expired", "its file has ended just now"
    await execute(database_url, f"UPDATE export_job SET expires_at = expires_at - {month} WHERE status = 'expired'")
    await upkeep(made.connection)
    assert [job["job_id"] for job in (await made.client.get(JOBS)).data] == [kept["job_id"]]


async def test_files_end_with_their_time_in_a_trial_too(made: Exports, database_url: str, tmp_path: Path) -> None:
    """Which is one process: the service, and a worker beside it."""
    job = await made.exported(**HOUR_OF_T0)
    await execute(database_url, "UPDATE export_job SET expires_at = now()")
    (file,) = files(tmp_path)
    environment = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET, "EXPORT_DIRECTORY": str(tmp_path)}
    ports = {"api_port": 0, "api_metrics_port": 0}

    async def is_gone() -> bool:
        return not file.exists()

    async with try_run.serving(settings.load(environment).model_copy(update=ports)):
        await eventually(is_gone, seconds=60)
    assert (await made.job(job["job_id"]))["status"] == "expired"


async def test_what_ended_exports_left_is_removed_once_nobody_writes_it(
    made: Exports, database_url: str, tmp_path: Path
) -> None:
    id_ = await made.created(**HOUR_OF_T0)
    left = tmp_path / "exports" / id_ / "1.part"
    left.parent.mkdir(parents=True)
    left.write_text("left behind")
    await execute(database_url, "UPDATE export_job SET status = 'failed', may_have_file = true")
    upkeep = ExportUpkeep(made.storage)
    async with session(database_url, command="work") as writing:
        await writing.execute("SELECT pg_advisory_lock(hashtextextended('analytics.export/' || $1::text, 0))", id_)
        assert (await upkeep(made.connection))["deleted"] == 0
    assert (await ExportUpkeep(Broken())(made.connection))["storage_failure"] == "it is full "
    done = await upkeep(made.connection)
    assert (done["deleted"], done["storage_failure"], files(tmp_path)) == (1, None, [])


async def test_a_storage_that_does_not_answer_keeps_the_leader_for_seconds(made: Exports, database_url: str) -> None:
    await made.created(**HOUR_OF_T0)
    await execute(database_url, "UPDATE export_job SET status = 'failed', may_have_file = true")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = {"EXPORT_S3_ACCESS_KEY_ID": "a", "EXPORT_S3_SECRET_ACCESS_KEY": "b"}
        given = settings.load({"EXPORT_S3_BUCKET": "exports", "EXPORT_S3_ENDPOINT": endpoint, **keys})
        done = await asyncio.wait_for(ExportUpkeep(Bucket.of(given))(made.connection), 60)
    assert (done["deleted"], done["storage_failure"]) == (0, "the storage deleted no file within 2 seconds")
    assert (await ExportUpkeep(made.storage)(made.connection))["deleted"] == 1, "the next run goes on"


async def test_the_server_ends_the_session_of_a_machine_that_was_lost(made: Exports) -> None:
    """An export is locked by its session: what is written elsewhere begins anew once that has ended."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
    idle, interval, count = [int(await made.connection.fetchval(f"SHOW {name}")) for name in names]
    assert 0 < idle + interval * count <= 60


async def test_an_export_is_in_the_metrics_of_its_worker(made: Exports, database_url: str, tmp_path: Path) -> None:
    await insert(database_url, [a_row(number) for number in range(3)])
    id_ = await made.created(a_token(), **HOUR_OF_T0)
    async with serving(database_url, "work", EXPORT_DIRECTORY=str(tmp_path), RETENTION_RAW_DAYS="keep") as worker:

        async def is_complete() -> bool:
            return bool((await made.job(id_))["status"] == "completed")

        await eventually(is_complete, seconds=60)

        async def is_counted() -> bool:
            async with worker.session.get(f"{worker.url}/metrics") as response:
                text = await response.text()
            return (
                'analytics_exports_total{status="completed"} 1.0' in text
                and "analytics_exported_rows_total 3.0" in text
            )

        await eventually(is_counted, seconds=30)
