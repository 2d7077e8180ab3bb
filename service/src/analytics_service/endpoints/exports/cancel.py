"""DELETE /api/v1/export/jobs/{job_id}: the export ends, and what was written of it is deleted."""

from typing import Final

from analytics_service.contract.endpoint import Call, Command, Method, Result
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database import export_jobs
from analytics_service.database.export_jobs import JobStatus
from analytics_service.endpoints.exports.detail import JobParameters
from analytics_service.endpoints.exports.job import JOBS, Job, described, find


async def run(call: Call[JobParameters]) -> Result:
    """Cancelled again it stays so; RequestError where it has ended otherwise."""
    caller = call.principal
    rows = await call.transaction.fetch(
        export_jobs.cancel(caller.organisation, caller.project_list, call.params.job_id)
    )
    if rows:
        job = export_jobs.of_row(rows[0])
        return Result(data=described(job, call), log={"event": "an export was cancelled", "job": job.id})
    job = await find(call, call.params.job_id)
    if job.status is not JobStatus.CANCELLED:
        raise RequestError(
            Problem.EXPORT_NOT_ACTIVE, f"the export is {job.status}: there is nothing to cancel", field="job_id"
        )
    return Result(data=described(job, call))


ENDPOINT: Final = Command(
    path=f"{JOBS}/{{job_id}}",
    name="cancel_export",
    summary="Cancel an export that waits or is being written",
    permission=Permission.EXPORTS_CANCEL,
    method=Method.DELETE,
    params=JobParameters,
    run=run,
    data=Job,
    may_conflict=True,
)
