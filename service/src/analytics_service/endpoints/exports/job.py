"""An export as clients see it; and what is common to the routes of exports."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import quote

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Call, Row
from analytics_service.contract.exports import Compression, Format
from analytics_service.contract.parameters import STORABLE
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database import export_jobs
from analytics_service.database.export_jobs import ExportJob, JobStatus
from analytics_service.rollups.incomplete import IncompleteReason
from analytics_service.units.decimals import Number

JOBS: Final = "/api/v1/export/jobs"
JobId = Annotated[str, Field(min_length=1, max_length=64, examples=["exp_5d41402abc4b2a76b971"]), *STORABLE]


Missing = TypedDict("Missing", {"from": datetime, "to": datetime, "reason": IncompleteReason})
"""A stretch of the range that is missing from the file."""


class Job(TypedDict):
    """An export."""

    job_id: str
    status: JobStatus
    format: Format
    compression: Compression
    start_time: datetime
    end_time: datetime
    """Not in the range."""
    limit: int
    created_at: datetime
    created_by: str
    """The subject of a token, or the id of a key."""
    started_at: datetime | None
    completed_at: datetime | None
    """When it ended, however it did."""
    expires_at: datetime | None
    """When its file ends."""
    seconds_until_expiration: int | None
    progress_percent: Number
    trace_count: int
    """Rows in the file; while it is written, rows so far."""
    has_more: bool | None
    """Whether the limit left rows of the range out; null until that is known."""
    incomplete: list[Missing]
    """What is missing from the file, since its rows had ended with their retention."""
    file_size_bytes: int | None
    checksum: str | None
    """SHA-256 of the file, as `sha256:` and hexadecimal digits."""
    download_url: str | None
    """A link that needs no other credential, until the file ends. Null without a file, or without the permission."""
    error_message: str | None
    can_cancel: bool
    can_download: bool


class Accepted(TypedDict):
    """An export that was begun."""

    job_id: str
    status: JobStatus
    created_at: datetime
    status_url: str


EXAMPLE: Final = {
    "job_id": "exp_5d41402abc4b2a76b971",
    "status": "completed",
    "format": "csv",
    "compression": "gzip",
    "start_time": "2026-11-01T00:00:00Z",
    "end_time": "2026-11-02T00:00:00Z",
    "limit": 100_000,
    "created_at": "2026-11-02T08:00:00Z",
    "created_by": "ann",
    "started_at": "2026-11-02T08:00:01Z",
    "completed_at": "2026-11-02T08:00:09Z",
    "expires_at": "2026-11-09T08:00:09Z",
    "seconds_until_expiration": 604_700,
    "progress_percent": 100,
    "trace_count": 28_185,
    "has_more": False,
    "incomplete": [],
    "file_size_bytes": 1_482_113,
    "checksum": "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "download_url": f"{JOBS}/exp_5d41402abc4b2a76b971/download?link=WyJhY21lIiwxNzYyNjc1MjA5XQ",
    "error_message": None,
    "can_cancel": False,
    "can_download": True,
}


def described(job: ExportJob, call: Call[Any]) -> Job:
    request, expires_at = orjson.loads(job.request), job.expires_at
    status = JobStatus.EXPIRED if has_expired(job, call.now) else job.status
    has_file = status is JobStatus.COMPLETED
    return Job(
        job_id=job.id,
        status=status,
        format=Format(request["format"]),
        compression=Compression(request["compression"]),
        start_time=job.range_start,
        end_time=job.range_end,
        limit=request["limit"],
        created_at=job.created_at,
        created_by=job.created_by,
        started_at=job.started_at,
        completed_at=job.finished_at,
        expires_at=expires_at,
        seconds_until_expiration=int((expires_at - call.now).total_seconds()) if has_file and expires_at else None,
        progress_percent=Decimal(str(round(job.progress, 1))),
        trace_count=job.rows_written,
        has_more=job.has_more,
        incomplete=_missing(job),
        file_size_bytes=job.file_bytes,
        checksum=None if job.sha256 is None else f"sha256:{job.sha256.hex()}",
        download_url=_link(job, call) if has_file else None,
        error_message=job.error,
        can_cancel=status.is_active,
        can_download=has_file and call.exports is not None,
    )


def has_expired(job: ExportJob, now: datetime) -> bool:
    """Whether its file has ended, also where the worker has not come to it yet."""
    return job.status is JobStatus.COMPLETED and job.expires_at is not None and job.expires_at <= now


def status_url(job: ExportJob) -> str:
    return f"{JOBS}/{quote(job.id)}"


def _link(job: ExportJob, call: Call[Any]) -> str | None:
    """None where the caller may not fetch files, or this deployment has none."""
    if job.expires_at is None or call.exports is None or Permission.EXPORTS_DOWNLOAD not in call.principal.permissions:
        return None
    link = call.exports.links.sign(job.organisation, job.id, job.expires_at)
    return f"{status_url(job)}/download?link={link}"


def _missing(job: ExportJob) -> list[Missing]:
    if job.raw_since is None:
        return []
    end = min(job.raw_since, job.range_end)
    return [{"from": job.range_start, "to": end, "reason": IncompleteReason.BELOW_RETENTION}]


async def find(call: Call[Any], id_: str) -> ExportJob:
    """RequestError where the caller may see no such export."""
    rows = await call.transaction.fetch(export_jobs.find(call.principal.organisation, call.principal.project_list, id_))
    return only(rows)


def only(rows: Sequence[Row]) -> ExportJob:
    """RequestError where there is no row."""
    if not rows:
        raise RequestError(
            Problem.EXPORT_NOT_FOUND,
            f"there is no export of this id in the organisation and the projects of the caller; GET {JOBS} lists them",
            field="job_id",
        )
    return export_jobs.of_row(rows[0])
