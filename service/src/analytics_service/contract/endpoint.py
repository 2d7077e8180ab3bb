"""An endpoint as a value; `endpoints/` holds them all.

`Endpoint` is what every kind declares, and all that admission and the OpenAPI document of a request need. A kind adds
what happens to a request that was admitted: a `Read` asks the store, and its answer is cached; an `Uncached` one is
answered in a transaction of its own each time; a `Command` is one that changes something.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Generic, Protocol

from analytics_service.contract.exports import ExportPolicy, StoredFile
from analytics_service.contract.parameters import Keyset, P, PagedParameters
from analytics_service.contract.principal import Permission, Principal
from analytics_service.database.content_policy import KEEP, ContentPolicy
from analytics_service.database.query import Query
from analytics_service.rollups.incomplete import Incomplete
from analytics_service.rollups.levels import Level


class Row(Protocol):
    """A row of a statement, by column."""

    def __getitem__(self, column: str, /) -> Any: ...


def sum_of(row: Row, column: str) -> Decimal:
    """A sum of a statement, where NULL is zero."""
    return Decimal(row[column] or 0)


MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
"""Of a list in an answer, before compression: a longer one ends early, but for its first item."""
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""Of the data of any other answer, which is refused beyond."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Position in a list, whose rows are the answer's data."""

    limit: int
    key: Callable[[int], Keyset]
    """Returns the key of a row by its index in data: the next page begins after it."""
    has_more: bool
    """There are rows after those in data."""
    at_byte_limit: bool = False
    """Rows that `limit` allows are missing in data, since an answer may have so many bytes only."""
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The requests that the costs of an answer leave out."""

    unpriced_requests: int
    """Without a cost, or with one that is a lower bound."""
    unpriced_tokens: int
    """All tokens of those requests."""

    @classmethod
    def of(cls, requests: Decimal | int | None, tokens: Decimal | int | None) -> "Coverage":
        """From sums of a statement, where NULL is zero."""
        return cls(unpriced_requests=int(requests or 0), unpriced_tokens=int(tokens or 0))

    @property
    def lower_bound(self) -> bool:
        """Whether the costs may be higher."""
        return self.unpriced_requests > 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """Data for a client, before it is JSON."""

    data: object
    page: Page | None = None
    log: Mapping[str, str] | None = None
    """A line of the log, with its `event`, once it is committed: ids of ours, and no word of a client."""
    more: bool = False
    """Of a Command: to run it again, in a transaction of its own, goes on where this one ended."""


@dataclass(frozen=True, kw_only=True)
class Answer(Result):
    """Of a Read: the data, and what they were computed from."""

    source: Level
    watermark: datetime | None = None
    """Start of the oldest bucket that had to be read from raw; None when there was none."""
    incomplete: Sequence[Incomplete] = ()
    """What the answer lacks; what the range has of the future is added to it."""
    coverage: Coverage | None = None
    """Of sums of costs; None where the answer has none."""
    has_costs: bool = False
    """Of single requests."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Decides, beside the parameters, how long an answer may be cached."""

    now: datetime
    default_ttl: int
    """Seconds."""


class Method(StrEnum):
    """Of HTTP."""

    GET = "GET"
    POST = "POST"
    DELETE = "DELETE"

    @property
    def has_body(self) -> bool:
        """Whether parameters are the members of a JSON body; else they are in the query string."""
        return self is Method.POST


def _one(_params: object) -> int:
    return 1


RAW_WEIGHT: Final = 5
"""Of a question that single requests of a whole range are read for."""


def weigh_by_level(level: Callable[[P], Level]) -> Callable[[P], int]:
    """RAW_WEIGHT where the figures that are asked for come from single requests, else one."""
    return lambda params: RAW_WEIGHT if level(params) is Level.RAW else 1


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[P]):
    """Name, permission and parameters of a route."""

    path: str
    """May hold `{parameters}`, which are fields of `params` as the others are."""
    name: str
    """Unique; OpenAPI's operationId and the label `endpoint` of metrics."""
    summary: str
    permission: Permission | None
    """None: any valid credential will do."""
    params: type[P]
    method: Method = Method.GET
    data: Any
    """The type of the answer's data, for OpenAPI."""
    weigh: Callable[[P], int] = _one
    """As how many requests one with these parameters counts, against the rate of its caller."""

    @property
    def paged(self) -> bool:
        return issubclass(self.params, PagedParameters)

    @property
    def needs_body(self) -> bool:
        """Whether a parameter without a default has to be in the body."""
        fields = self.params.model_fields.items()
        return self.method.has_body and any(info.is_required() and not self.in_path(name) for name, info in fields)

    def in_path(self, name: str) -> bool:
        """Whether the parameter is part of the path."""
        return f"{{{name}}}" in self.path


@dataclass(frozen=True, kw_only=True)
class Read(Endpoint[P]):
    """A read of the store: its answer is cached under everything that it depends on.

    `query` and `answer` are pure; the organisation is `$1` of every query and its projects are `$2`.
    """

    query: Callable[[Principal, P], Query]
    answer: Callable[[P, Sequence[Row]], Answer]
    cache_for: Callable[[P, Moment], int]
    """Seconds."""
    max_loop_rows: int = 1_000
    """The answer of more rows is made in a thread: on the event loop every other request would wait for it."""
    shows_more_with: Permission | None = None
    """Beside `permission`: callers that have it may get another answer, which has another key in the cache."""


class Transaction(Protocol):
    """An open transaction of the store."""

    async def fetch(self, query: Query, /) -> Sequence[Row]:
        """The rows of a statement; DatabaseError where there are none to be had."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[P]):
    """A request that was admitted, and all that its answer may depend on beside the store."""

    principal: Principal
    params: P
    now: datetime
    random_bytes: Callable[[int], bytes]
    transaction: Transaction
    """Begins with its first statement, and is committed before the answer is sent; RequestError undoes it."""
    exports: ExportPolicy | None = None
    """None where there is no storage for files."""
    request_key: str | None = None
    """The Idempotency-Key; None where there is none, or the endpoint takes none."""
    content: ContentPolicy = KEEP
    """Of texts that are stored: the stricter one of the caller's and the deployment's."""


@dataclass(frozen=True, kw_only=True)
class Uncached(Endpoint[P]):
    """Computed by the primary at each request; changes nothing."""

    run: Callable[[Call[P]], Awaitable[Result]]


@dataclass(frozen=True, kw_only=True)
class Command(Uncached[P]):
    """Changes the store, in one transaction; in several where a result says that there is more to do."""

    method: Method = Method.POST
    status: int = 200
    """Of its answer."""
    may_conflict: bool = False
    """Whether what is stored may forbid it, with a problem of status 409."""
    takes_request_key: bool = False
    """Whether it takes an Idempotency-Key."""
    array: type[P] | None = None
    """The parameters of a body that is an array, which is their field `items`; None: a body is an object."""
    names_rows: bool = False
    """Whether its body names what has to be stored, with a problem of status 404 where it is not."""


@dataclass(frozen=True, kw_only=True)
class Download(Endpoint[P]):
    """Sends a stored file; a link to it, in the parameter `link`, is a credential for it."""

    find: Callable[[Call[P]], Awaitable[StoredFile]]


class Form(StrEnum):
    """What the body of a Receive holds."""

    ROWS = "rows"
    """In the fields of `import`, as JSON or as JSON lines."""
    OTLP_TRACES = "otlp_traces"
    OTLP_LOGS = "otlp_logs"
    OTLP_METRICS = "otlp_metrics"


@dataclass(frozen=True, kw_only=True)
class Receive(Endpoint[P]):
    """Stores the rows of a body, which has a form of its own in place of parameters."""

    form: Form


def default_ttl(_params: object, moment: Moment) -> int:
    return moment.default_ttl
