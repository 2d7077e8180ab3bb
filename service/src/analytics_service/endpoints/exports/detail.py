"""GET /api/v1/export/jobs/{job_id}: an export, its progress, and the link to its file."""

from typing import Annotated, Final

from pydantic import Field

from analytics_service.contract.endpoint import Call, Result, Uncached
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.exports.job import EXAMPLE, JOBS, Job, JobId, described, find


class JobParameters(Parameters):
    job_id: JobId


async def run(call: Call[JobParameters]) -> Result:
    return Result(data=described(await find(call, call.params.job_id), call))


ENDPOINT: Final = Uncached(
    path=f"{JOBS}/{{job_id}}",
    name="get_export",
    summary="An export: how far it is, and the link to its file",
    permission=Permission.EXPORTS_READ,
    params=JobParameters,
    run=run,
    data=Annotated[Job, Field(examples=[EXAMPLE])],
)
