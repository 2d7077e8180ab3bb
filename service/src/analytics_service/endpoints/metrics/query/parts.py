"""The parts of a query of metrics, as clients write them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema, model_validator

from analytics_service.contract.parameters import STORABLE
from analytics_service.endpoints.metrics.series.names import VALUE_METRICS, Aggregation, Dimension, Metric, column_name
from analytics_service.endpoints.traces.fields import Status

_COUNT: Final = frozenset({Aggregation.COUNT, Aggregation.SUM})
_RATE: Final = frozenset({Aggregation.AVG})
_SINGLE_VALUES: Final[Mapping[Metric, frozenset[Aggregation]]] = MappingProxyType(
    {
        Metric.REQUEST_COUNT: _COUNT,
        Metric.ERROR_COUNT: _COUNT,
        Metric.SUCCESS_COUNT: _COUNT,
        Metric.ERROR_RATE: _RATE,
        Metric.SUCCESS_RATE: _RATE,
        Metric.THROUGHPUT: _RATE,
        Metric.UNIQUE_USERS: frozenset({Aggregation.COUNT}),
        Metric.UNIQUE_SESSIONS: frozenset({Aggregation.COUNT}),
    }
)
"""Metrics that have but one value, and what clients may call it."""


class Measure(NamedTuple):
    metric: Metric
    aggregation: Aggregation | None
    """None where the metric has but one value."""

    @property
    def full_name(self) -> str:
        return self.metric.value if self.aggregation is None else column_name(self.metric, self.aggregation)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Measured(_Part):
    metric: Metric
    aggregation: Aggregation | None = None
    """Of duration and time to first token (usually avg), costs and tokens (usually sum). Of the others but one: sum or
    count of numbers of requests, count of unique_users and unique_sessions, avg of rates and throughput."""

    @model_validator(mode="after")
    def _check_aggregation(self) -> Self:
        possible = _SINGLE_VALUES.get(self.metric)
        if possible is not None and self.aggregation is not None and self.aggregation not in possible:
            known = " or ".join(sorted(possible))
            raise ValueError(f"{self.metric} has no {self.aggregation}: leave the aggregation out, or say {known}")
        return self

    @property
    def measure(self) -> Measure:
        if self.metric not in VALUE_METRICS:
            return Measure(self.metric, None)
        return Measure(self.metric, self.aggregation or VALUE_METRICS[self.metric].default)


class Selected(_Measured):
    alias: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] | None = None
    """Its name in the rows. By default the name of the metric, or <metric>_<aggregation> of one that is there twice."""


class Comparison(StrEnum):
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    EQ = "eq"


class Having(_Measured):
    """A condition on the values of a row, before they are rounded; one without a value does not meet it."""

    operator: Comparison
    value: Annotated[
        Decimal,
        Field(max_digits=36, decimal_places=18, allow_inf_nan=False),
        WithJsonSchema({"type": "number"}),
    ]
    """In the unit of the metric: dollars, milliseconds, tokens."""


class Membership(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"


def _texts(value: object) -> object:
    if not all(isinstance(one, str) for one in (value if isinstance(value, list) else [value])):
        raise ValueError("must be a text, or a list of texts")
    return value


_Name = Annotated[str, Field(max_length=256), *STORABLE]


class DimensionFilter(_Part):
    """A condition on the requests that count. An empty text stands for no value."""

    dimension: Dimension
    operator: Membership
    value: Annotated[_Name | Annotated[tuple[_Name, ...], Field(min_length=1, max_length=100)], BeforeValidator(_texts)]
    """A list for in and not_in."""

    @model_validator(mode="after")
    def _check_value(self) -> Self:
        if (self.operator in {Membership.IN, Membership.NOT_IN}) == isinstance(self.value, str):
            raise ValueError("in and not_in take a list of texts, eq and ne a text")
        if self.dimension is Dimension.STATUS_CODE and not {*Status}.issuperset(self.values):
            raise ValueError(f"{self.dimension} is one of {', '.join(Status)}")
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """Those of a status in upper case, as they are stored."""
        values = (self.value,) if isinstance(self.value, str) else self.value
        return tuple(one.upper() for one in values) if self.dimension is Dimension.STATUS_CODE else values

    @property
    def is_negated(self) -> bool:
        return self.operator in {Membership.NE, Membership.NOT_IN}


class SortBy(_Part):
    field: Annotated[str, Field(min_length=1, max_length=64)]
    """A name of the rows: `timestamp`, a dimension of group_by, a metric's name or alias."""
    descending: StrictBool = False
