"""Exports to a bucket: files whole or not at all, presigned addresses, and a storage that refuses or is away."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from analytics_service import settings
from analytics_service.contract.exports import Format, StoredFile
from analytics_service.errors import StorageError, UsageError
from analytics_service.storage.s3 import PART_BYTES, Bucket
from analytics_service.worker.exports.upkeep import ExportUpkeep
from tests.support.exports import Exports, an_exporter, exports
from tests.support.s3 import BUCKET, SECRET_KEY, S3Server, s3_server
from tests.support.service import HOUR, T0, a_row, execute, insert

pytestmark = pytest.mark.postgres

HOUR_OF_T0 = {"from_": T0.isoformat(), "to": (T0 + HOUR).isoformat()}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path) as server:
        yield server


@pytest.fixture
async def made(database_url: str, s3: S3Server) -> AsyncIterator[Exports]:
    async with exports(database_url, **s3.environment) as found:
        yield found


async def test_a_file_is_fetched_from_the_bucket_by_a_presigned_address(
    made: Exports, s3: S3Server, database_url: str
) -> None:
    await insert(database_url, [a_row(number) for number in range(100)])
    job = await made.exported(format="jsonl", compression="gzip", **HOUR_OF_T0)
    ((key, stored),) = s3.objects().items()
    assert key == f"exports/{job['job_id']}/1"
    assert job["checksum"] == f"sha256:{hashlib.sha256(stored).hexdigest()}"
    redirect = await made.client.request("GET", job["download_url"], allow_redirects=False)
    address = redirect.headers["Location"]
    assert (redirect.status, redirect.headers["Cache-Control"]) == (307, "no-store")
    assert address.startswith(f"http://127.0.0.1:{s3.port}/{BUCKET}/exports/")
    assert "X-Amz-Expires=300" in address
    assert SECRET_KEY not in address
    whole = await made.fetched(job)
    assert (whole.status, whole.body) == (200, stored)
    assert whole.headers["Content-Disposition"] == f'attachment; filename="{job["job_id"]}.jsonl.gz"'
    assert whole.headers["Content-Type"] == "application/gzip"
    part = await made.fetched(job, Range="bytes=10-19")
    assert (part.status, part.body) == (206, stored[10:20])
    async with made.client.session.get(address.replace("X-Amz-Signature=", "X-Amz-Signature=0")) as refused:
        assert refused.status == 403


async def test_an_address_has_the_endpoint_that_clients_reach(s3: S3Server, database_url: str) -> None:
    """Which pods need not reach: a signature is of the name, and the storage is not asked for it."""
    public = f"http://localhost:{s3.port}"
    environment = {**s3.environment, "EXPORT_S3_PUBLIC_ENDPOINT": public}
    await insert(database_url, [a_row()])
    async with exports(database_url, **environment) as made:
        job = await made.exported(format="json", **HOUR_OF_T0)
        redirect = await made.client.request("GET", job["download_url"], allow_redirects=False)
        address = redirect.headers["Location"]
        assert address.startswith(f"{public}/{BUCKET}/exports/")
        fetched = await made.fetched(job)
        assert (fetched.status, len(fetched.json)) == (200, 1)
        elsewhere = address.replace("localhost", "127.0.0.1")
        async with made.client.session.get(elsewhere) as refused:
            assert refused.status == 403


def test_a_public_endpoint_is_of_a_storage_with_an_endpoint() -> None:
    given = {"EXPORT_S3_BUCKET": BUCKET, "EXPORT_S3_PUBLIC_ENDPOINT": "https://files.example"}
    with pytest.raises(UsageError, match=r"^EXPORT_S3_PUBLIC_ENDPOINT: EXPORT_S3_ENDPOINT is not set"):
        settings.load(given)


async def test_a_file_of_nothing_is_stored_too(made: Exports) -> None:
    for file_format in Format:
        job = await made.exported(format=file_format, **HOUR_OF_T0)
        answer = await made.fetched(job)
        assert (job["status"], job["trace_count"], answer.status) == ("completed", 0, 200)
        assert job["file_size_bytes"] == len(answer.body)


async def test_a_file_of_several_parts_is_whole(made: Exports, s3: S3Server, database_url: str) -> None:
    text = "x" * 2**20
    await insert(database_url, [a_row(number, input_text=f"{number}{text}") for number in range(20)])
    job = await made.exported(format="jsonl", fields=["input_text"], **HOUR_OF_T0)
    (stored,) = s3.objects().values()
    assert len(stored) > 2 * PART_BYTES
    assert job["checksum"] == f"sha256:{hashlib.sha256(stored).hexdigest()}"
    texts = [json.loads(line)["input_text"] for line in (await made.fetched(job)).body.splitlines()]
    assert texts == [f"{number}{text}" for number in range(20)]
    assert s3.unfinished() == []


async def test_an_upload_whose_rows_end_early_leaves_nothing(made: Exports, s3: S3Server) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * PART_BYTES
        raise LookupError("no more")

    file = StoredFile(key="exports/a/1", name="a.csv", media_type="text/csv")
    with pytest.raises(Exception, match="no more"):
        await made.storage.put(file, parts())
    assert (s3.objects(), s3.unfinished()) == ({}, [])


async def test_files_of_other_exports_stay(made: Exports, s3: S3Server, database_url: str) -> None:
    kept, ended = await made.exported(**HOUR_OF_T0), await made.exported(**HOUR_OF_T0)
    await execute(database_url, "UPDATE export_job SET expires_at = now() WHERE id = $1", ended["job_id"])
    assert (await ExportUpkeep(made.storage)(made.connection))["deleted"] == 1
    assert list(s3.objects()) == [f"exports/{kept['job_id']}/1"]


async def test_a_bucket_that_is_away_is_tried_again(made: Exports, s3: S3Server, database_url: str) -> None:
    id_ = await made.created(**HOUR_OF_T0)
    s3.stop()
    impatient = Bucket.of(settings.load({"DATABASE_URL": database_url, **s3.environment}), retry_seconds=0.1)
    assert await an_exporter(database_url, impatient).export_next(made.connection)
    job = await made.job(id_)
    assert (job["status"], "did not take" in job["error_message"]) == ("pending", True)
    s3.start()
    await execute(database_url, "UPDATE export_job SET not_before = now()")
    assert await made.exporter.export_next(made.connection)
    assert (await made.job(id_))["status"] == "completed"
    assert list(s3.objects()) == [f"exports/{id_}/2"]


@pytest.mark.parametrize("change", [{"EXPORT_S3_SECRET_ACCESS_KEY": "another-3f1c"}, {"EXPORT_S3_BUCKET": "not-there"}])
async def test_a_refusal_is_named_without_the_key(s3: S3Server, database_url: str, change: dict[str, str]) -> None:
    bucket = Bucket.of(settings.load({"DATABASE_URL": database_url, **s3.environment, **change}))

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"

    with pytest.raises(StorageError, match="EXPORT_S3_BUCKET: ") as refused:
        await bucket.put(StoredFile(key="exports/a/1", name="a.csv", media_type="text/csv"), parts())
    text = str(refused.value)
    assert not any(secret in text for secret in (SECRET_KEY, "another-3f1c"))
    assert "\n" not in text


async def test_a_worker_that_ends_while_it_uploads_leaves_no_file(
    made: Exports, s3: S3Server, database_url: str
) -> None:
    """What it uploaded of one is no object; a rule of the bucket's lifecycle ends it: docs/exports.md."""
    started = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * PART_BYTES
        started.set()
        await asyncio.Event().wait()

    file: Any = StoredFile(key="exports/a/1", name="a.csv", media_type="text/csv")
    task = asyncio.create_task(made.storage.put(file, parts()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert s3.objects() == {}
