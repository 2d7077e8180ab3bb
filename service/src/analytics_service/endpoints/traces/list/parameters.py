"""The parameters of the list of traces, and those that every page of spans has."""

from abc import abstractmethod
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field as Bounds
from pydantic import model_validator
from typing_extensions import override

from analytics_service.contract.parameters import CSV, STORABLE, Amount, PagedParameters, Text, days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.traces import sizes
from analytics_service.endpoints.traces.fields import Field, Sort, Status, selected_fields
from analytics_service.endpoints.traces.list.children import MAX_CHILDREN, MAX_PARENTS

MAX_SEARCH_RANGE: Final = timedelta(days=7)
"""For a search, which reads every text of its range."""
MAX_SORT_RANGE: Final = timedelta(days=31)
"""For orders other than by time, which read every row of the range."""


class Order(StrEnum):
    ASC = "asc"
    DESC = "desc"


class Include(StrEnum):
    CHILDREN = "children"
    ATTRIBUTES = "attributes"
    IO = "io"
    TOTAL = "total"


Tokens = Annotated[int, Bounds(ge=0, lt=2**63)]


class PageParameters(PagedParameters):
    """Which page of spans, in which order, with which fields: whatever filters them."""

    default_range: ClassVar[timedelta] = timedelta(hours=24)
    max_range: ClassVar[timedelta] = timedelta(days=90)

    sort_by: Sort = Sort.TS
    """Rows without a value come last. Any order but `ts` takes a range of at most 31 days."""
    fields: Annotated[tuple[Field, ...], *CSV, Bounds(min_length=1)] | None = None
    """Only these fields."""
    include: Annotated[tuple[Include, ...], *CSV] = ()
    """Adds long fields (`attributes`; `io`: input_text and output_text), the number of all rows (`total`), or direct
    `children` of each span in the range: at most 100 of each, and of at most 100 spans a page."""

    @model_validator(mode="after")
    def _check_page(self) -> Self:
        if self.sort_by is not Sort.TS:
            self.require_range(MAX_SORT_RANGE, "sort_by")
        if Include.CHILDREN in self.include and self.limit > MAX_PARENTS:
            raise RequestError(
                Problem.RANGE_TOO_LARGE, f"include=children takes a limit of at most {MAX_PARENTS}", field="limit"
            )
        return self

    def require_range(self, longest: timedelta, field: str) -> None:
        """Raises RequestError where the range is longer than what the field reads of it allows."""
        if self.range.length > longest and not self.is_continued:
            raise RequestError(
                Problem.INVALID_TIME_RANGE, f"{field} takes a range of at most {days(longest)}", field=field
            )

    @property
    @abstractmethod
    def order(self) -> Order: ...

    @property
    def selected_fields(self) -> tuple[str, ...]:
        return selected_fields(self.fields, self.include)

    @property
    def may_be_long(self) -> bool:
        """Whether a page may have more bytes than an answer."""
        rows = self.limit * (1 + MAX_CHILDREN) if Include.CHILDREN in self.include else self.limit
        return sizes.may_be_long(self.selected_fields, rows)


class TraceParameters(PageParameters):
    """Every filter narrows; several together mean all of them."""

    trace_id: Text | None = None
    project_id: Text | None = None
    session_id: Text | None = None
    user_id: Text | None = None
    provider: Text | None = None
    model: Text | None = None
    operation_type: Text | None = None
    environment: Text | None = None
    status: Status | None = None
    min_duration: Amount | None = None
    """Milliseconds."""
    max_duration: Amount | None = None
    """Milliseconds."""
    min_cost: Amount | None = None
    """US dollars."""
    max_cost: Amount | None = None
    """US dollars."""
    min_tokens: Tokens | None = None
    max_tokens: Tokens | None = None
    tags: Annotated[tuple[Text, ...], *CSV, Bounds(max_length=20)] | None = None
    """All of them must be on the trace."""
    search: Annotated[str, Bounds(min_length=2, max_length=256), *STORABLE] | None = None
    """Part of the input or the output, in any case. The range may be at most 7 days long."""
    sort_order: Order = Order.DESC

    @model_validator(mode="after")
    def _check_search(self) -> Self:
        if self.search is not None:
            self.require_range(MAX_SEARCH_RANGE, "search")
        return self

    @property
    @override
    def order(self) -> Order:
        return self.sort_order
