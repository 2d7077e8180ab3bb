"""What a condition of a filter may compare: the type of each field, its operators, and its values. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from analytics_service.contract.parameters import storable
from analytics_service.endpoints.traces.fields import COSTS, Field, Status
from analytics_service.units import decimals, times, zones

ATTRIBUTES: Final = "attributes."
"""Begins the name of a field that is a key of `attributes`, or a path of keys with dots between them."""
MAX_TEXT_LENGTH: Final = 256
MAX_VALUES: Final = 100
"""In the list of `in` and `not_in`."""
MAX_PATH_LENGTH: Final = 16
"""Keys in a path."""


class Operator(StrEnum):
    """Texts are compared as they are by eq, ne, in and not_in, and in any case by the other operators."""

    AND = "and"
    OR = "or"
    NOT = "not"
    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    REGEX = "regex"
    SEARCH = "search"


LOGICAL: Final = frozenset({Operator.AND, Operator.OR, Operator.NOT})
LISTS: Final = frozenset({Operator.IN, Operator.NOT_IN})
NEGATED: Final[Mapping[Operator, Operator]] = MappingProxyType(
    {Operator.NE: Operator.EQ, Operator.NOT_IN: Operator.IN, Operator.NOT_CONTAINS: Operator.CONTAINS}
)
"""Operators that are met exactly where the other one is not, and so by a field without a value."""
_EQUALITY: Final = frozenset({Operator.EQ, Operator.NE, *LISTS})
_ORDER: Final = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})
_CONTAINMENT: Final = frozenset({Operator.CONTAINS, Operator.NOT_CONTAINS})
_PATTERNS: Final = _CONTAINMENT | {Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.REGEX, Operator.SEARCH}

Scalar = str | Decimal | bool | datetime
Operand = Scalar | tuple[Scalar, ...] | None
"""None: the field has no value."""


def _text(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT_LENGTH:
        raise ValueError(f"takes a text of 1 to {MAX_TEXT_LENGTH} characters")
    return storable(value)


def _number(value: object) -> Decimal:
    """A float has the digits that the client wrote, up to 15 of them; a text has all of them."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number or (isinstance(value, str) and _NUMBER.fullmatch(value))):
        raise ValueError("takes a number in the digits 0 to 9, as 10")
    return Decimal(str(value))


_NUMBER: Final = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?")


def _microseconds(value: object) -> Decimal:
    return decimals.product(_number(value), 1000)


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or value.startswith("now"):
        raise ValueError("takes a time as 2026-01-31T12:00:00Z: relative ones go into from and to")
    return times.parse(value, now=times.EARLIEST, zone=zones.zone("UTC"))


def _status(value: object) -> str:
    if not isinstance(value, str) or value.upper() not in [*Status]:
        raise ValueError(f"takes one of {', '.join(Status)}")
    return value.upper()


def _attribute(value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    return _text(value) if isinstance(value, str) else _number(value)


@dataclass(frozen=True, kw_only=True)
class FieldType:
    name: str
    operators: frozenset[Operator]
    parse: Callable[[object], Scalar]


TEXT: Final = FieldType(name="a text", operators=_EQUALITY | _PATTERNS, parse=_text)
NUMBER: Final = FieldType(name="a number", operators=_EQUALITY | _ORDER, parse=_number)
MILLISECONDS: Final = FieldType(name="a number of milliseconds", operators=_EQUALITY | _ORDER, parse=_microseconds)
TIME: Final = FieldType(name="a time", operators=_EQUALITY | _ORDER, parse=_instant)
STATUS: Final = FieldType(name="a status", operators=_EQUALITY, parse=_status)
TAGS: Final = FieldType(name="a list of tags", operators=_CONTAINMENT | LISTS, parse=_text)
ATTRIBUTE: Final = FieldType(name="an attribute", operators=_EQUALITY | _ORDER | _PATTERNS, parse=_attribute)

_NUMBERS: Final = ("request_weight", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
_TYPES: Final[Mapping[str, FieldType]] = MappingProxyType(
    {
        **dict.fromkeys((field.value for field in Field if field != "attributes"), TEXT),
        **dict.fromkeys((*_NUMBERS, "reasoning_tokens", *COSTS), NUMBER),
        **dict.fromkeys(("duration_ms", "ttft_ms"), MILLISECONDS),
        "ts": TIME,
        "status_code": STATUS,
        "tags": TAGS,
    }
)


def type_of(field: str) -> FieldType:
    """The type of a field; ValueError where there is no such field."""
    if field.startswith(ATTRIBUTES):
        if len(path_of(field)) > MAX_PATH_LENGTH:
            raise ValueError(f"a path has at most {MAX_PATH_LENGTH} keys")
        return ATTRIBUTE
    if field not in _TYPES:
        raise ValueError(f"there is no field of this name; there are: {', '.join(_TYPES)}, {ATTRIBUTES}<key>")
    return _TYPES[field]


def path_of(field: str) -> list[str]:
    """The keys of a path into `attributes`."""
    return field.removeprefix(ATTRIBUTES).split(".")


def operand(field: str, operator: Operator, value: object) -> Operand:
    """The value that the field is compared with; ValueError where it is not one for the field and operator."""
    kind = type_of(field)
    if operator not in kind.operators:
        known = ", ".join(one for one in Operator if one in kind.operators)
        raise ValueError(f"{field} is {kind.name}: {operator} does not apply to it; there are {known}")
    if operator in LISTS:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
            raise ValueError(f"{operator} takes a list of 1 to {MAX_VALUES} values")
        return tuple(_parsed(field, operator, kind, one) for one in value)
    if value is None and operator in {Operator.EQ, Operator.NE}:
        return None
    return _parsed(field, operator, kind, value)


def _parsed(field: str, operator: Operator, kind: FieldType, value: object) -> Scalar:
    parse = kind.parse
    if kind is ATTRIBUTE and operator in _ORDER:
        parse = _number
    if kind is ATTRIBUTE and operator in _PATTERNS:
        parse = _text
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{field} {operator}: {error}") from None
