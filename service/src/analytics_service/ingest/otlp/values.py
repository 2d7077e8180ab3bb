"""Values of attributes, from OTLP's JSON and from its protobuf messages, as one and the same. Pure."""

import ast
import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from analytics_service.ingest.otlp.attributes import OBJECTS
from analytics_service.ingest.strings import load_json

Attributes: TypeAlias = dict[str, Any]
"""By name; whole numbers are int, others Decimal, and bytes their text in base64."""


class Empty:
    """In the place of a list of spans or log records that has none: it takes time as one does, so it has to count."""


EMPTY: Final = Empty()
_MAX_LEVELS: Final = 64
_MAX_LITERAL: Final = 16 * 1024
"""Characters of an object in Python's notation that are read."""


def of_json(holder: Mapping[str, Any], name: str = "attributes") -> Attributes:
    """The attributes that an object has; of one that comes twice the last. ValueError where they are none."""
    values = _members(holder, name, _MAX_LEVELS)
    return values if OBJECTS.isdisjoint(values) else _with_members(values)


def of_messages(attributes: Iterable[KeyValue]) -> Attributes:
    """As `of_json`; an attribute without a name, which OTLP does not allow, is left out."""
    values = {name: _of_message(each.value, _MAX_LEVELS) for each in attributes if (name := each.key)}
    return values if OBJECTS.isdisjoint(values) else _with_members(values)


def json_value(typed: Any, levels: int = _MAX_LEVELS) -> Any:
    """The value of a typed one of JSON, in which 64-bit numbers are text; None where there is none."""
    if not isinstance(typed, dict) or not typed:
        return None
    if levels == 0:
        raise ValueError(f"an attribute is nested deeper than {_MAX_LEVELS} levels")
    if "stringValue" in typed:
        return typed["stringValue"]
    kind, value = next(iter(typed.items()))
    match kind:
        case "arrayValue":
            return [json_value(each, levels - 1) for each in elements(value, "values")]
        case "kvlistValue":
            return _members(value, "values", levels - 1)
        case "intValue" if isinstance(value, str):
            with suppress(ValueError):
                return int(value)
    return number(value) if isinstance(value, float) else value


def number(value: float) -> Decimal | str:
    """Exactly what its shortest text says; of what is no number, its name in OTLP's JSON."""
    if math.isfinite(value):
        return Decimal(str(value))
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def message_value(value: AnyValue) -> Any:
    """The value of a typed one; None where there is none."""
    return _of_message(value, _MAX_LEVELS)


def _of_message(value: AnyValue, levels: int) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return number(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value" if levels:
            return [_of_message(each, levels - 1) for each in value.array_value.values]
        case "kvlist_value" if levels:
            return {each.key: _of_message(each.value, levels - 1) for each in value.kvlist_value.values}
        case "array_value" | "kvlist_value":
            raise ValueError(f"an attribute is nested deeper than {_MAX_LEVELS} levels")
        case _:
            return None


def _members(holder: Any, name: str, levels: int) -> Attributes:
    values: Attributes = {}
    for each in elements(holder, name):
        if not isinstance(each, dict):
            as_object(each, name)
        values[str(each.get("key"))] = json_value(each.get("value"), levels)
    return values


def _with_members(values: Attributes) -> Attributes:
    """With the members of OBJECTS by their paths."""
    for name in OBJECTS.intersection(values):
        values.update(_paths(_object(values[name]), name))
    return values


def _object(value: Any) -> Any:
    """What the text of an object says, in JSON or in Python's notation; None where it says nothing."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        return load_json(value)
    if value.startswith("{'") and len(value) <= _MAX_LITERAL:
        with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return load_json(json.dumps(ast.literal_eval(value)))
    return None


def _paths(value: Any, path: str, levels: int = _MAX_LEVELS) -> Iterator[tuple[str, Any]]:
    """The members of an object and of the objects in it, by their paths; of another value that itself."""
    if not isinstance(value, dict) or levels == 0:
        yield path, value
        return
    for name, member in value.items():
        yield from _paths(member, f"{path}.{name}", levels - 1)


def as_object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} has what is no JSON object")  # noqa: TRY004 - bad input, whatever its type
    return value


def elements(holder: Any, name: str) -> list[Any]:
    values = as_object(holder, name).get(name) or []
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - as above
    return values
