"""GET /api/v1/export/jobs: the exports of the caller's organisation and projects, the newest first."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from analytics_service.contract.endpoint import Call, Result, Uncached
from analytics_service.contract.newest_first import CreationParameters, page
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database import export_jobs
from analytics_service.database.export_jobs import JobStatus
from analytics_service.endpoints.exports.job import JOBS, Job, described


class ListParameters(CreationParameters):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """Exports in a page."""
    status: JobStatus | None = None
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Exports to leave out at the beginning; of a page with a cursor none are."""

    @model_validator(mode="after")
    def _either_cursor_or_offset(self) -> Self:
        if self.cursor is not None and self.offset:
            raise RequestError(
                Problem.INVALID_PARAMETER, "give either cursor, which goes on exactly, or offset", field="offset"
            )
        return self


async def run(call: Call[ListParameters]) -> Result:
    params = call.params
    rows = await call.transaction.fetch(
        export_jobs.page(
            call.principal.organisation,
            call.principal.project_list,
            start=params.range.start,
            end=params.range.end,
            status=params.status,
            now=call.now,
            after=params.last_created,
            offset=params.offset,
            limit=params.rows,
        )
    )
    return page([export_jobs.of_row(row) for row in rows], params, lambda job: described(job, call))


ENDPOINT: Final = Uncached(
    path=JOBS,
    name="list_exports",
    summary="Exports, page by page",
    permission=Permission.EXPORTS_READ,
    params=ListParameters,
    run=run,
    data=list[Job],
)
