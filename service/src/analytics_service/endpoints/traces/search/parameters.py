"""The parameters of the search for traces."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, ConfigDict, StrictBool, model_validator
from typing_extensions import override

from analytics_service.contract.problems import RequestError
from analytics_service.endpoints.traces import sizes
from analytics_service.endpoints.traces.list.parameters import MAX_SEARCH_RANGE, Order, PageParameters
from analytics_service.endpoints.traces.search import filters
from analytics_service.endpoints.traces.search.filters import Filter
from analytics_service.endpoints.traces.search.operands import ATTRIBUTES

EXAMPLE: Final[dict[str, Any]] = {
    "filter": {
        "operator": "and",
        "filters": [
            {"field": "provider", "operator": "eq", "value": "openai"},
            {"field": "total_cost_usd", "operator": "gte", "value": 1.0},
            {"field": "input_text", "operator": "search", "value": "authentication error"},
            {"field": "attributes.gen_ai.request.temperature", "operator": "lt", "value": 0.5},
        ],
    },
    "from": "now-7d",
    "sort_by": "total_cost_usd",
    "sort_desc": True,
    "limit": 100,
    "fields": ["trace_id", "model", "total_cost_usd", "input_text"],
}


class SearchParameters(PageParameters):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    filter: Annotated[Filter, BeforeValidator(filters.bounded)] | None = None
    """At most 8 levels deep, with 100 filters. Without `from` and `to`, its conditions on `ts` that all rows must meet
    are the range. Conditions on texts, error messages and attributes take a range of at most 7 days."""
    sort_desc: StrictBool = True

    @model_validator(mode="after")
    def _check_filter(self) -> Self:
        if self.filter is not None and any(map(_is_long, self.filter.conditions())):
            self.require_range(MAX_SEARCH_RANGE, "filter")
        return self

    @property
    @override
    def order(self) -> Order:
        return Order.DESC if self.sort_desc else Order.ASC

    @override
    def _validate_range(self, start: datetime, end: datetime) -> None:
        try:
            super()._validate_range(start, end)
        except RequestError as error:
            bounds = zip((self.from_, self.to), filters.bounds(self.filter), strict=True)
            if all(text is not None or moment is None for text, moment in bounds):
                raise
            detail = f"{error.detail}; conditions on ts are what from or to does not say"
            raise RequestError(error.problem, detail, field="filter") from None

    @override
    def _instant(self, field: str, text: str | None, now: datetime) -> datetime | None:
        if text is not None:
            return super()._instant(field, text, now)
        start, end = filters.bounds(self.filter)
        return start if field == "from" else end


def _is_long(condition: Filter) -> bool:
    field = condition.field or ""
    return field.startswith(ATTRIBUTES) or field in sizes.LONG_FIELDS
