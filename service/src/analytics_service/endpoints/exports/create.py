"""POST /api/v1/export/traces: an export that the worker begins when its turn has come."""

import hashlib
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from analytics_service.contract.endpoint import Call, Command, Result
from analytics_service.contract.exports import ExportPolicy
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database import export_jobs
from analytics_service.database.export_jobs import ExportJob, NewJob
from analytics_service.endpoints.exports.job import Accepted, only, status_url
from analytics_service.endpoints.exports.parameters import DEFAULT_ROWS, ExportParameters

ID_BYTES: Final = 10
MAX_ACTIVE: Final = 10
"""Of an organisation, waiting or being written."""
MAX_OF_DAY: Final = 100
"""Of an organisation: with the rows of one and the lifetime of files this bounds what it stores."""
EXAMPLE: Final = {
    "job_id": "exp_5d41402abc4b2a76b971",
    "status": "pending",
    "created_at": "2026-11-02T08:00:00Z",
    "status_url": "/api/v1/export/jobs/exp_5d41402abc4b2a76b971",
}


async def run(call: Call[ExportParameters]) -> Result:
    """The same Idempotency-Key has the same export for a day."""
    policy, organisation = check_policy(call.exports, call.params), call.principal.organisation
    await call.transaction.fetch(export_jobs.lock_organisation(organisation))
    if (earlier := await _of_request_key(call)) is not None:
        return Result(data=_accepted(earlier))
    (row,) = await call.transaction.fetch(export_jobs.counts(organisation, call.now))
    _check_quota(row["active"], row["of_day"])
    job = only(await call.transaction.fetch(export_jobs.insert(_new(call, policy))))
    return Result(data=_accepted(job), log={"event": "an export was created", "job": job.id})


def check_policy(policy: ExportPolicy | None, params: ExportParameters) -> ExportPolicy:
    """The policy; RequestError where this deployment cannot make such an export."""
    if policy is None:
        raise RequestError(
            Problem.EXPORTS_UNAVAILABLE,
            "this service has no storage for files: whoever runs it sets spec.exports of the resource, "
            "EXPORT_S3_BUCKET or EXPORT_DIRECTORY",
        )
    if params.format not in policy.formats:
        raise RequestError(
            Problem.INVALID_PARAMETER,
            f"format: {params.format} needs the package pyarrow, which is not installed here (the extra `parquet`); "
            f"there are: {', '.join(sorted(policy.formats))}",
            field="format",
        )
    if params.limit is not None and params.limit > policy.max_rows:
        raise RequestError(
            Problem.INVALID_PARAMETER, f"limit: this service exports at most {policy.max_rows} rows", field="limit"
        )
    return policy


async def _of_request_key(call: Call[ExportParameters]) -> ExportJob | None:
    """RequestError where another request had the key."""
    if call.request_key is None:
        return None
    organisation = call.principal.organisation
    await call.transaction.fetch(export_jobs.end_old_keys(organisation, call.request_key, call.now))
    rows = await call.transaction.fetch(export_jobs.of_request_key(organisation, call.request_key))
    if not rows:
        return None
    if rows[0]["request_digest"] != _digest(call):
        raise RequestError(
            Problem.IDEMPOTENCY_KEY_REUSED,
            "an export with this Idempotency-Key had other parameters: give each export a key of its own",
            field="Idempotency-Key",
        )
    return export_jobs.of_row(rows[0])


def _check_quota(active: int, of_day: int) -> None:
    if active >= MAX_ACTIVE:
        raise RequestError(
            Problem.EXPORT_LIMIT_REACHED,
            f"{active} exports of the organisation wait or are written, of at most {MAX_ACTIVE}: wait for one, or "
            "cancel it",
            headers={"Retry-After": "30"},
        )
    if of_day >= MAX_OF_DAY:
        raise RequestError(
            Problem.EXPORT_LIMIT_REACHED,
            f"the organisation has made {of_day} exports within 24 hours, of at most {MAX_OF_DAY}",
            headers={"Retry-After": str(int(timedelta(hours=1).total_seconds()))},
        )


def _new(call: Call[ExportParameters], policy: ExportPolicy) -> NewJob:
    params, caller = call.params, call.principal
    return NewJob(
        id=f"exp_{call.random_bytes(ID_BYTES).hex()}",
        organisation=caller.organisation,
        projects=sorted(caller.projects),
        request=params.stored(limit=params.limit or min(DEFAULT_ROWS, policy.max_rows)),
        start=params.range.start,
        end=params.range.end,
        created_at=call.now,
        created_by=caller.subject,
        request_key=call.request_key,
        request_digest=_digest(call),
    )


def _digest(call: Call[Any]) -> bytes:
    """Of what was asked, as written: `now-1d` stays the same over time; and of the projects it was asked for."""
    projects = "\0".join(sorted(call.principal.projects))
    return hashlib.sha256(call.params.wording() + b"\0\0" + projects.encode()).digest()


def _accepted(job: ExportJob) -> Accepted:
    return Accepted(job_id=job.id, status=job.status, created_at=job.created_at, status_url=status_url(job))


ENDPOINT: Final = Command(
    path="/api/v1/export/traces",
    name="create_export",
    summary="Export spans to a file, which is written in the background",
    permission=Permission.EXPORTS_CREATE,
    params=ExportParameters,
    run=run,
    data=Annotated[Accepted, Field(examples=[EXAMPLE])],
    status=202,
    takes_request_key=True,
)
