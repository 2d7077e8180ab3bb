"""Fields of a Trace, in the order of an answer: their columns, sort types and formats."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import orjson
from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Row
from analytics_service.units import decimals
from analytics_service.units.decimals import Number


class Status(StrEnum):
    OK = "OK"
    ERROR = "ERROR"
    UNSET = "UNSET"


class Trace(TypedDict, total=False):
    """A span. What is not known of it is left out."""

    ts: datetime
    trace_id: str
    span_id: str
    parent_span_id: str
    span_name: str
    service_name: str
    operation_type: str
    request_weight: int
    """How many requests the row is the sum of; left out where it is one."""
    provider: str
    model: str
    input_text: str
    output_text: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    prompt_cost_usd: Number
    completion_cost_usd: Number
    total_cost_usd: Number
    duration_ms: Number
    ttft_ms: Number
    status_code: Status
    error_message: str
    user_id: str
    session_id: str
    project_id: str
    team_id: str
    environment: str
    tags: list[str]
    attributes: dict[str, Any]


class Listed(Trace, total=False):
    """A span of a list; with `include=children` those that have some."""

    children: list[Trace]
    more_children: bool


COSTS: Final = frozenset({"prompt_cost_usd", "completion_cost_usd", "total_cost_usd"})
Field = StrEnum("Field", {name.upper(): name for name in Trace.__annotations__})  # type: ignore[misc]  # from the one list
COLUMNS: Mapping[str, str] = MappingProxyType({"duration_ms": "duration_us", "ttft_ms": "ttft_us"})
"""Columns that are named otherwise than their field."""

OPT_IN_FIELDS: Final = MappingProxyType(
    {"io": frozenset({"input_text", "output_text"}), "attributes": frozenset({"attributes"})}
)
"""Long fields, left out unless `include` or `fields` names them."""


def selected_fields(chosen: Iterable[str] | None, include: Iterable[str]) -> tuple[str, ...]:
    """Returns fields in the order of Trace: the chosen ones, else all but the long ones; and the included."""
    long = frozenset[str]().union(*OPT_IN_FIELDS.values())
    included = frozenset[str]().union(*(OPT_IN_FIELDS.get(one, frozenset()) for one in include))
    wanted = included | (frozenset(Trace.__annotations__) - long if chosen is None else frozenset(chosen))
    return tuple(name for name in Trace.__annotations__ if name in wanted)


class Sort(StrEnum):
    TS = "ts"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"
    PROVIDER = "provider"
    MODEL = "model"
    DURATION_MS = "duration_ms"
    TTFT_MS = "ttft_ms"
    TOTAL_COST_USD = "total_cost_usd"
    TOTAL_TOKENS = "total_tokens"
    STATUS_CODE = "status_code"
    ENVIRONMENT = "environment"


SORT_TYPES: Final[Mapping[Sort, type[int] | type[Decimal]]] = MappingProxyType(
    {Sort.DURATION_MS: int, Sort.TTFT_MS: int, Sort.TOTAL_TOKENS: int, Sort.TOTAL_COST_USD: Decimal}
)
"""Types of sort columns that are not text; `ts` is part of every sort key anyway."""


def column(field: str) -> str:
    """Returns the column of a field or sort, which are both enumerated."""
    return COLUMNS.get(field, field)


def trace(row: Row, fields: Sequence[str]) -> dict[str, Any]:
    """Returns the fields that have a value; an empty dimension counts as absent."""
    values = ((name, row[column(name)]) for name in fields)
    return {
        name: _FORMATTERS[name](value) if name in _FORMATTERS else value
        for name, value in values
        if value is not None and value != _ABSENT.get(name, "")
    }


_ABSENT: Final = MappingProxyType({"request_weight": 1})
"""What counts as absent; elsewhere an empty text."""


_FORMATTERS: MappingProxyType[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "duration_ms": decimals.milliseconds,
        "ttft_ms": decimals.milliseconds,
        "attributes": orjson.Fragment,  # jsonb arrives as its text: exact, whatever its numbers are
    }
)
