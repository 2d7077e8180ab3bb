"""The catalogue of what a client can be told: RFC 9457 problems with the numbers of the contract.

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
    QueryTimeout,
    SchemaIncompatible,
    ServiceError,
)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    code: int
    status: int
    category: str
    title: str


class Problem(Enum):
    """The name is the `error_code` that clients see."""

    AUTHENTICATION_REQUIRED = Kind(1000, 401, "authentication", "Authentication is required")
    INVALID_TOKEN = Kind(1001, 401, "authentication", "The token is not valid")
    TOKEN_EXPIRED = Kind(1002, 401, "authentication", "The token has expired")
    INSUFFICIENT_PERMISSIONS = Kind(1100, 403, "authorization", "The permission is missing")
    VALIDATION_ERROR = Kind(1200, 400, "validation", "The request is not valid")
    INVALID_PARAMETER = Kind(1201, 400, "validation", "A parameter is not valid")
    UNKNOWN_PARAMETER = Kind(1202, 400, "validation", "A parameter is not known")
    INVALID_TIME_RANGE = Kind(1203, 400, "validation", "The time range cannot be used")
    INVALID_CURSOR = Kind(1204, 400, "validation", "The cursor cannot be used")
    RANGE_TOO_LARGE = Kind(1205, 400, "validation", "The request asks for more than one answer may hold")
    PAYLOAD_TOO_LARGE = Kind(1200, 413, "validation", "The request body is too large")
    UNSUPPORTED_MEDIA_TYPE = Kind(1200, 415, "validation", "The media type is not supported")
    ROUTE_NOT_FOUND = Kind(1300, 404, "not_found", "There is nothing at this path")
    METHOD_NOT_ALLOWED = Kind(1301, 405, "not_found", "The path does not know this method")
    TRACE_NOT_FOUND = Kind(1302, 404, "not_found", "There is no such trace")
    RATE_LIMIT_EXCEEDED = Kind(1500, 429, "rate_limit", "Too many requests")
    DATABASE_CONNECTION_FAILED = Kind(1600, 503, "database", "The database cannot be reached")
    DATABASE_BUSY = Kind(1601, 503, "database", "The database has no free connection")
    SCHEMA_INCOMPATIBLE = Kind(1602, 503, "database", "The database schema does not fit this release")
    DATABASE_ERROR = Kind(1603, 503, "database", "The database did not answer as it should")
    REQUEST_TIMEOUT = Kind(1800, 408, "timeout", "The request took too long to arrive")
    QUERY_TIMEOUT = Kind(1801, 504, "timeout", "The query took too long")
    INTERNAL_ERROR = Kind(1900, 500, "internal", "Something went wrong on our side")


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

    def of_body(self) -> "RequestError":
        """The same, as it is said of a request with a body: 422 where one without is told 400."""
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


_OF_DATABASE: Mapping[type[DatabaseError], RequestError] = MappingProxyType(
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
        QueryTimeout: RequestError(
            Problem.QUERY_TIMEOUT,
            "the statement was stopped at its time limit; ask for a shorter range or more filters",
        ),
    }
)


def of_database(error: DatabaseError) -> RequestError:
    """What a client is told of it: never the database's own words."""
    for kind, told in _OF_DATABASE.items():
        if isinstance(error, kind):
            return RequestError(told.problem, told.detail, headers=told.headers)
    return RequestError(Problem.DATABASE_ERROR, "the query failed; the log has the cause under this request id")


def of_library(status: int) -> RequestError:
    """What a client is told of a refusal that the HTTP library made itself."""
    problem = _OF_STATUS.get(status, Problem.INTERNAL_ERROR if status >= 500 else Problem.VALIDATION_ERROR)
    return RequestError(problem, problem.value.title, status=status)


_OF_STATUS = MappingProxyType(
    {
        404: Problem.ROUTE_NOT_FOUND,
        405: Problem.METHOD_NOT_ALLOWED,
        408: Problem.REQUEST_TIMEOUT,
        413: Problem.PAYLOAD_TOO_LARGE,
        415: Problem.UNSUPPORTED_MEDIA_TYPE,
    }
)
