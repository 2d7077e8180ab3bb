"""The table of exports: rows, and the statements of those who ask for them. Pure.

They are held to an organisation, and to the projects of a caller that has some: such a caller sees the exports that
were made within these projects alone. The worker's own statements are in worker/exports/claims.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from analytics_service.database.query import Query
from analytics_service.database.tenancy import in_organisation, within_projects

_COLUMNS: Final = (
    *("id", "organisation", "projects", "request", "range_start", "range_end", "status", "created_at", "created_by"),
    *("attempt", "started_at", "finished_at", "expires_at", "rows_written", "progress", "has_more", "raw_since"),
    *("file_bytes", "sha256", "error"),
)
_EXPRESSIONS: Final = {"organisation": "j.org_id AS organisation", "request": "j.request::text AS request"}
SELECTED: Final = ", ".join(_EXPRESSIONS.get(column, f"j.{column}") for column in _COLUMNS)
_VISIBLE: Final = f"{in_organisation('j')} AND {within_projects('j')}"
_KEY_LIFETIME: Final = "interval '24 hours'"


class JobStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Was completed, and its file has ended."""

    @property
    def is_active(self) -> bool:
        return self in ACTIVE


ACTIVE: Final = (JobStatus.PENDING, JobStatus.PROCESSING)
IS_ACTIVE: Final = "j.status IN ('pending', 'processing')"


@dataclass(frozen=True, kw_only=True)
class ExportJob:
    """A row."""

    id: str
    organisation: str
    projects: Sequence[str]
    """Empty: all of the organisation."""
    request: str
    """The parameters, as JSON."""
    range_start: datetime
    range_end: datetime
    status: JobStatus
    created_at: datetime
    created_by: str
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    rows_written: int
    progress: float
    """Per cent."""
    has_more: bool | None
    raw_since: datetime | None
    file_bytes: int | None
    sha256: bytes | None
    error: str | None


def of_row(row: Any) -> ExportJob:
    """Of a statement that selects SELECTED."""
    return ExportJob(**{column: row[column] for column in _COLUMNS} | {"status": JobStatus(row["status"])})


@dataclass(frozen=True, kw_only=True)
class NewJob:
    id: str
    organisation: str
    projects: list[str]
    request: str
    start: datetime
    end: datetime
    created_at: datetime
    created_by: str
    request_key: str | None
    request_digest: bytes


def lock_organisation(organisation: str) -> Query:
    """Until the transaction ends nobody else makes an export of the organisation."""
    return Query(
        sql="SELECT pg_advisory_xact_lock(hashtextextended('analytics.exports/' || $1::text, 0))", args=(organisation,)
    )


def end_old_keys(organisation: str, key: str, now: datetime) -> Query:
    """The key may be used again, a day after it was used first."""
    sql = f"""
UPDATE export_job AS j SET request_key = NULL
WHERE {in_organisation("j")} AND j.request_key = $2 AND j.created_at < $3::timestamptz - {_KEY_LIFETIME}"""
    return Query(sql=sql, args=(organisation, key, now))


def of_request_key(organisation: str, key: str) -> Query:
    """The export of that key, with its `request_digest`."""
    sql = f"""
SELECT {SELECTED}, j.request_digest FROM export_job AS j WHERE {in_organisation("j")} AND j.request_key = $2"""
    return Query(sql=sql, args=(organisation, key))


def counts(organisation: str, now: datetime) -> Query:
    """`active`, and `of_day`: those of the last 24 hours."""
    sql = f"""
SELECT count(*) FILTER (WHERE {IS_ACTIVE}) AS active,
    count(*) FILTER (WHERE j.created_at > $2::timestamptz - interval '24 hours') AS of_day
FROM export_job AS j WHERE {in_organisation("j")}"""
    return Query(sql=sql, args=(organisation, now))


def insert(job: NewJob) -> Query:
    sql = f"""
INSERT INTO export_job AS j (id, org_id, projects, request, range_start, range_end, created_at, created_by, request_key,
    request_digest)
VALUES ($2, $1, $3, $4::text::jsonb, $5, $6, $7, $8, $9, $10) RETURNING {SELECTED}"""
    values = (job.projects, job.request, job.start, job.end, job.created_at, job.created_by)
    return Query(sql=sql, args=(job.organisation, job.id, *values, job.request_key, job.request_digest))


def find(organisation: str, projects: list[str] | None, id_: str) -> Query:
    sql = f"SELECT {SELECTED} FROM export_job AS j WHERE {_VISIBLE} AND j.id = $3"
    return Query(sql=sql, args=(organisation, projects, id_))


def cancel(organisation: str, projects: list[str] | None, id_: str) -> Query:
    """Ends the export where it is active; no row where it is not."""
    sql = f"""
UPDATE export_job AS j SET status = 'cancelled', finished_at = now()
WHERE {_VISIBLE} AND j.id = $3 AND {IS_ACTIVE} RETURNING {SELECTED}"""
    return Query(sql=sql, args=(organisation, projects, id_))


def page(  # noqa: PLR0913 - what a list is confined by
    organisation: str,
    projects: list[str] | None,
    *,
    start: datetime,
    end: datetime,
    status: JobStatus | None,
    now: datetime,
    after: tuple[datetime, str] | None,
    offset: int,
    limit: int,
) -> Query:
    """Exports by the time of their creation, the newest first. `expired` are also those whose file ended by `now`."""
    return Query(
        sql=f"""
SELECT {SELECTED} FROM export_job AS j
WHERE {_VISIBLE} AND j.created_at >= $3 AND j.created_at < $4 AND ($5::text IS NULL OR
        CASE WHEN j.status = 'completed' AND j.expires_at <= $10 THEN 'expired' ELSE j.status END = $5)
    AND ($6::timestamptz IS NULL OR (j.created_at, j.id) < ($6, $7::text))
ORDER BY j.created_at DESC, j.id DESC OFFSET $8 LIMIT $9""",
        args=(organisation, projects, start, end, status, *(after or (None, None)), offset, limit, now),
    )
