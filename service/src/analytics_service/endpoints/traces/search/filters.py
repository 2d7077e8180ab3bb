"""A filter as clients write it: conditions on fields, and filters that are combined. Bounded in depth and size."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, WithJsonSchema, model_validator

from analytics_service.contract.parameters import STORABLE
from analytics_service.endpoints.traces.search import operands
from analytics_service.endpoints.traces.search.operands import LOGICAL, Operand, Operator

MAX_DEPTH: Final = 8
"""Filters within one another."""
MAX_FILTERS: Final = 100
"""In all."""
_SPELLINGS: Final = {one.replace("_", ""): one.value for one in Operator}


def _spelled(value: object) -> object:
    """The operator in any case, with or without underscores."""
    return _SPELLINGS.get(value.lower().replace("_", ""), value) if isinstance(value, str) else value


_SCALARS: Final = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_VALUE: Final = WithJsonSchema(
    {"anyOf": [*_SCALARS, {"type": "array", "items": {"anyOf": _SCALARS}}, {"type": "null"}], "default": None}
)


class Filter(BaseModel):
    """A condition `{field, operator, value}`, or `{operator: and | or | not, filters}`.

    A field without a value meets no condition but `ne`, `not_in` and `not_contains`, which are met wherever their
    opposite is not, as `not` is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    operator: Annotated[Operator, BeforeValidator(_spelled)]
    """Also in upper case, and without underscores."""
    field: Annotated[str, Field(min_length=1, max_length=256), *STORABLE] | None = None
    """A field of a trace, or `attributes.<key>`: the key as it is, or else, by its dots, a path into objects."""
    value: Annotated[Any, _VALUE] = None
    """A list for in and not_in. Null for eq and ne: the field has no value."""
    filters: Annotated[tuple["Filter", ...], Field(min_length=1)] | None = None
    """One for `not`."""

    _operand: Operand = PrivateAttr(default=None)

    @property
    def operand(self) -> Operand:
        """The value by the type of the field; of a condition."""
        return self._operand

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = self.model_fields_set
        if self.operator in LOGICAL:
            if self.filters is None or given & {"field", "value"}:
                raise ValueError(f"{self.operator} takes filters, and no field or value of its own")
            if self.operator is Operator.NOT and len(self.filters) > 1:
                raise ValueError("not takes one filter: combine several by and, or by or")
            return self
        if self.field is None or "value" not in given or self.filters is not None:
            raise ValueError(f"{self.operator} takes a field and a value, and no filters")
        self._operand = operands.operand(self.field, self.operator, self.value)
        return self

    def conditions(self) -> Iterator["Filter"]:
        """Every condition in it."""
        if self.filters is None:
            yield self
        for each in self.filters or ():
            yield from each.conditions()


def bounded(value: object) -> object:
    """The filter as it was sent; ValueError where it is too deep or too large to be looked into."""
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_FILTERS:
            raise ValueError(f"holds more than {MAX_FILTERS} filters")
        level = [one for each in level if isinstance(each, dict) for one in _members(each)]
    if level:
        raise ValueError(f"holds filters in more than {MAX_DEPTH} levels")
    return value


def _members(value: dict[str, Any]) -> list[object]:
    found = value.get("filters")
    return found if isinstance(found, list) else []


def bounds(condition: Filter | None) -> tuple[datetime | None, datetime | None]:
    """The half-open range of `ts` that every match lies in, as far as conditions that all must meet say so."""
    if condition is None:
        return None, None
    if condition.operator is Operator.AND:
        starts, ends = zip(*(bounds(each) for each in condition.filters or ()), strict=True)
        return max(filter(None, starts), default=None), min(filter(None, ends), default=None)
    moment = condition.operand
    if condition.field != "ts" or not isinstance(moment, datetime):
        return None, None
    after = moment + timedelta(microseconds=1)
    match condition.operator:
        case Operator.GT | Operator.GTE:
            return moment, None
        case Operator.LT:
            return None, moment
        case Operator.LTE:
            return None, after
        case Operator.EQ:
            return moment, after
        case _:
            return None, None
