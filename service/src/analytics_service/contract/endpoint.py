"""What an endpoint is: a value. See `endpoints/` for the ones that there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol

from analytics_service.contract.parameters import P
from analytics_service.contract.principal import Permission, Principal
from analytics_service.database.query import Query
from analytics_service.rollups.levels import Level


class Row(Protocol):
    """A row of a statement, by column."""

    def __getitem__(self, column: str, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where a list stands; `after` is the key of its last row when there is more."""

    limit: int
    after: tuple[str | None, ...] | None
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What rows mean to a client, before it is JSON."""

    data: object
    source: Level
    watermark: datetime | None = None
    """Start of the oldest bucket that had to be read from raw; None when there was none."""
    since: datetime | None = None
    """From where on all rows are kept that it was asked of; None when no row was ever dropped."""
    page: Page | None = None


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What decides, beside the parameters, how long an answer may be kept."""

    now: datetime
    default_ttl: int
    """Seconds."""


class Method(StrEnum):
    """How an endpoint is asked; its parameters are those of the query string, or the members of a JSON body."""

    GET = "GET"
    POST = "POST"


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[P]):
    """`query` and `answer` are pure; the organisation is `$1` of every query and its projects are `$2`."""

    path: str
    """May hold `{parameters}`, which are fields of `params` as the others are."""
    name: str
    """Unique; OpenAPI's operationId and the route's name in metrics of caches."""
    summary: str
    permission: Permission
    params: type[P]
    query: Callable[[Principal, P], Query]
    answer: Callable[[P, Sequence[Row]], Answer]
    data: Any
    """The type of `Answer.data`, for OpenAPI."""
    cache_for: Callable[[P, Moment], int]
    """Seconds."""
    paged: bool = False
    method: Method = Method.GET


def default_ttl(_params: object, moment: Moment) -> int:
    return moment.default_ttl
