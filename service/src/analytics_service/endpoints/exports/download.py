"""GET /api/v1/export/jobs/{job_id}/download: the file, for whoever has the permission or the link of the job."""

from typing import Annotated, Final

import orjson
from pydantic import Field

from analytics_service.contract.endpoint import Call, Download
from analytics_service.contract.exports import (
    MAX_LINK_CHARACTERS,
    Compression,
    Format,
    StoredFile,
    expired,
    stored_file,
)
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.export_jobs import JobStatus
from analytics_service.endpoints.exports.detail import JobParameters
from analytics_service.endpoints.exports.job import JOBS, find, has_expired


class DownloadParameters(JobParameters):
    link: Annotated[str, Field(min_length=1, max_length=MAX_LINK_CHARACTERS, pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """Of `download_url`: in place of a token or a key."""


async def run(call: Call[DownloadParameters]) -> StoredFile:
    """RequestError where the export has no file, or none any more."""
    job = await find(call, call.params.job_id)
    if job.status is JobStatus.EXPIRED or has_expired(job, call.now):
        raise expired()
    if job.status is not JobStatus.COMPLETED:
        raise RequestError(
            Problem.EXPORT_NOT_READY, f"the export is {job.status}: there is no file to fetch", field="job_id"
        )
    request = orjson.loads(job.request)
    return stored_file(job.id, job.attempt, Format(request["format"]), Compression(request["compression"]))


ENDPOINT: Final = Download(
    path=f"{JOBS}/{{job_id}}/download",
    name="download_export",
    summary="The file of an export: the file itself, with ranges, or the way to it in its storage",
    permission=Permission.EXPORTS_DOWNLOAD,
    params=DownloadParameters,
    find=run,
    data=bytes,
)
