"""The catalogue of errors that clients see: RFC 9457 problems with the numbers of the contract.

To add one: one line in `Problem`. Raise it as `RequestError(Problem.X, "what and how to mend it")`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from analytics_service.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    InvalidPattern,
    QueryTimeout,
    SchemaIncompatible,
    ServiceError,
)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemType:
    code: int
    status: int
    category: str
    title: str


class Problem(Enum):
    """The name is the `error_code` that clients see."""

    AUTHENTICATION_REQUIRED = ProblemType(1000, 401, "authentication", "Authentication is required")
    INVALID_TOKEN = ProblemType(1001, 401, "authentication", "The token is not valid")
    TOKEN_EXPIRED = ProblemType(1002, 401, "authentication", "The token has expired")
    INVALID_API_KEY = ProblemType(1003, 401, "authentication", "The API key is not valid")
    INSUFFICIENT_PERMISSIONS = ProblemType(1100, 403, "authorization", "The permission is missing")
    VALIDATION_ERROR = ProblemType(1200, 400, "validation", "The request is not valid")
    INVALID_PARAMETER = ProblemType(1201, 400, "validation", "A parameter is not valid")
    UNKNOWN_PARAMETER = ProblemType(1202, 400, "validation", "A parameter is not known")
    INVALID_TIME_RANGE = ProblemType(1203, 400, "validation", "The time range cannot be used")
    INVALID_CURSOR = ProblemType(1204, 400, "validation", "The cursor cannot be used")
    RANGE_TOO_LARGE = ProblemType(1205, 400, "validation", "The request asks for more than one answer may hold")
    PAYLOAD_TOO_LARGE = ProblemType(1200, 413, "validation", "The request body is too large")
    URL_TOO_LONG = ProblemType(1200, 414, "validation", "The URL is too long")
    UNSUPPORTED_MEDIA_TYPE = ProblemType(1200, 415, "validation", "The media type is not supported")
    EXPECTATION_FAILED = ProblemType(1200, 417, "validation", "The expectation cannot be met")
    HEADER_TOO_LARGE = ProblemType(1200, 431, "validation", "The headers are too large")
    ROUTE_NOT_FOUND = ProblemType(1300, 404, "not_found", "There is nothing at this path")
    METHOD_NOT_ALLOWED = ProblemType(1301, 405, "not_found", "The path does not know this method")
    TRACE_NOT_FOUND = ProblemType(1302, 404, "not_found", "There is no such trace")
    KEY_NOT_FOUND = ProblemType(1303, 404, "not_found", "There is no such API key")
    EXPORT_NOT_FOUND = ProblemType(1303, 404, "not_found", "There is no such export")
    EXPORT_EXPIRED = ProblemType(1303, 410, "not_found", "The file of the export is no longer kept")
    KEY_NOT_ACTIVE = ProblemType(1400, 409, "conflict", "The API key is not active")
    IDEMPOTENCY_KEY_REUSED = ProblemType(1401, 422, "conflict", "The idempotency key was used for another request")
    KEY_LIMIT_REACHED = ProblemType(1400, 409, "conflict", "The organisation has as many API keys as it may")
    EXPORT_NOT_READY = ProblemType(1400, 409, "conflict", "The export has no file")
    EXPORT_NOT_ACTIVE = ProblemType(1400, 409, "conflict", "The export has ended")
    PLAN_OUTDATED = ProblemType(1402, 409, "conflict", "The plan is out of date")
    INGEST_QUEUE_FULL = ProblemType(1501, 429, "rate_limit", "Too many rows wait to be stored")
    EXPORT_LIMIT_REACHED = ProblemType(1502, 429, "rate_limit", "The organisation has as many exports as it may")
    RATE_LIMIT_EXCEEDED = ProblemType(1500, 429, "rate_limit", "Too many requests")
    DATABASE_CONNECTION_FAILED = ProblemType(1600, 503, "database", "The database cannot be reached")
    DATABASE_BUSY = ProblemType(1601, 503, "database", "The database has no free connection")
    SCHEMA_INCOMPATIBLE = ProblemType(1602, 503, "database", "The database schema does not fit this release")
    DATABASE_ERROR = ProblemType(1603, 503, "database", "The database did not answer as it should")
    INGEST_UNAVAILABLE = ProblemType(1700, 503, "dependency", "Rows cannot be stored at the moment")
    EXPORTS_UNAVAILABLE = ProblemType(1701, 503, "dependency", "Files cannot be exported or fetched at the moment")
    REQUEST_TIMEOUT = ProblemType(1800, 408, "timeout", "The request took too long to arrive")
    QUERY_TIMEOUT = ProblemType(1801, 504, "timeout", "The query took too long")
    INTERNAL_ERROR = ProblemType(1900, 500, "internal", "Something went wrong on our side")


class RequestError(ServiceError):
    """A request that cannot be answered; becomes a problem at the boundary."""

    def __init__(
        self,
        problem: Problem,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.status = status or problem.value.status
        self.detail = detail
        self.field = field
        self.headers = headers or {}

    def for_body(self) -> "RequestError":
        """Returns the same error for a request with a body: 422 in place of 400."""
        return RequestError(
            self.problem,
            self.detail,
            field=self.field,
            headers=self.headers,
            status=422 if self.status == 400 else self.status,
        )


def body(error: RequestError, *, instance: str, request_id: str) -> dict[str, str | int]:
    """The members of a problem document; `instance` is the path alone, since a query may hold prompt text."""
    kind = error.problem.value
    members: dict[str, str | int] = {
        "type": f"urn:llm-observatory:problem:{error.problem.name.lower().replace('_', '-')}",
        "title": kind.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": kind.code,
        "error_code": error.problem.name,
        "category": kind.category,
        "request_id": request_id,
    }
    if error.field is not None:
        members["field"] = error.field
    return members


_DATABASE_ERRORS: Mapping[type[DatabaseError], RequestError] = MappingProxyType(
    {
        DatabaseUnavailable: RequestError(
            Problem.DATABASE_CONNECTION_FAILED,
            "the service is running and tries to reach its database again; repeat the request in a few seconds",
            headers={"Retry-After": "5"},
        ),
        DatabaseBusy: RequestError(
            Problem.DATABASE_BUSY,
            "every database connection is in use; repeat the request in a moment",
            headers={"Retry-After": "1"},
        ),
        SchemaIncompatible: RequestError(
            Problem.SCHEMA_INCOMPATIBLE, "the database has to be migrated for this release; ask whoever runs it"
        ),
        InvalidPattern: RequestError(
            Problem.INVALID_PARAMETER,
            "filter: a regular expression is not valid, or too complex: write it as PostgreSQL does",
            field="filter",
            status=422,
        ),
        QueryTimeout: RequestError(
            Problem.QUERY_TIMEOUT,
            "the statement was stopped at its time limit; ask for a shorter range or more filters",
        ),
    }
)


def from_database_error(error: DatabaseError) -> RequestError:
    """Returns the client's error; it never repeats the database's message."""
    for kind, known in _DATABASE_ERRORS.items():
        if isinstance(error, kind):
            return RequestError(
                known.problem, known.detail, field=known.field, headers=known.headers, status=known.status
            )
    return RequestError(Problem.DATABASE_ERROR, "the query failed; the log has the cause under this request id")


def from_http_status(status: int) -> RequestError:
    """Returns the client's error for a refusal by the HTTP library itself."""
    problem = _HTTP_STATUSES.get(status, Problem.INTERNAL_ERROR if status >= 500 else Problem.VALIDATION_ERROR)
    return RequestError(problem, problem.value.title, status=status)


_HTTP_STATUSES = MappingProxyType(
    {
        404: Problem.ROUTE_NOT_FOUND,
        405: Problem.METHOD_NOT_ALLOWED,
        408: Problem.REQUEST_TIMEOUT,
        413: Problem.PAYLOAD_TOO_LARGE,
        415: Problem.UNSUPPORTED_MEDIA_TYPE,
        417: Problem.EXPECTATION_FAILED,
    }
)
