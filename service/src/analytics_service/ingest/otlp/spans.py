"""Spans of OTLP, as decoded JSON has them, become records with the names of fields (ingest/fields.py). Pure."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from analytics_service.ingest.otlp.attributes import FAMILIES, OBJECTS, RANKS
from analytics_service.ingest.otlp.scopes import usage_of
from analytics_service.ingest.strings import load_json

_OF_SPANS: Final = ("trace_id", "span_id", "parent_span_id", "name", "ts_ns", "end_time_ns", "usage_convention")
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {name: name for name in (*_OF_SPANS, *(field for _, field in RANKS.values()))}
)
"""What records have, each by the field that it fills."""
_STATUSES: Final = ("UNSET", "OK", "ERROR")
_KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
"""By number: the operation of a span that has no attribute which says it."""
_NO_ID: Final = frozenset({"", "0" * 16, "0" * 32})
_TEXTS: Final = MappingProxyType({"gen_ai.prompt.": "input", "gen_ai.completion.": "output"})
"""Attributes that begin so are parts of one text: openllmetry, before its version 0.5 of the conventions."""
_PREFIXES: Final = tuple(_TEXTS)
_IDS: Final = (("trace_id", "traceId"), ("span_id", "spanId"), ("parent_span_id", "parentSpanId"))
_OBJECTS: Final = frozenset({dict})
_UNSET: Final = {"status": "UNSET"}
_LAST: Final = (len(RANKS), "")


def records(resource_spans: Any) -> Iterator[dict[str, Any] | ValueError]:
    """The spans of an element of `resourceSpans`, and in the place of what is none the reason: the others are read.

    A resource or a scope that cannot be read is a reason too; its spans are read without what it says of them.
    """
    try:
        scopes = _elements(_object(resource_spans, "resourceSpans"), "scopeSpans")
    except ValueError as error:
        yield error
        return
    resource: Mapping[str, Any] = {}
    try:
        resource = _attributes({}, _object(resource_spans.get("resource") or {}, "resource"))
    except ValueError as error:
        yield ValueError(f"resource: {error}")
    for scope_spans in scopes:
        try:
            spans = _elements(_object(scope_spans, "scopeSpans"), "spans")
        except ValueError as error:
            yield error
            continue
        scope: Mapping[str, Any] = {}
        try:
            scope = _object(scope_spans.get("scope") or {}, "scope")
        except ValueError as error:
            yield error
        usage = usage_of(str(scope.get("name", "")), str(scope_spans.get("schemaUrl", "")))
        for span in spans:
            try:
                yield _record(_object(span, "spans"), resource, usage)
            except ValueError as error:
                yield error


def _record(span: Mapping[str, Any], resource: Mapping[str, Any], usage: str) -> dict[str, Any]:
    values = dict(resource)
    for event in _list(span, "events") if "events" in span else ():
        _attributes(values, event)
    _attributes(values, span)
    given, prompt = _given(values)
    record = {
        "operation_type": _named(span.get("kind", 0), _KINDS, "SPAN_KIND_").lower(),
        "usage_convention": FAMILIES.get(prompt, usage),
        **_status(span.get("status")),
        **given,
        "name": span.get("name"),
    }
    for name, key in _IDS:
        identity = str(span.get(key) or "").lower()
        record[name] = None if identity in _NO_ID else identity
    start, end = _nanoseconds(span.get("startTimeUnixNano")), _nanoseconds(span.get("endTimeUnixNano"))
    record["ts_ns"] = start or None
    if end >= start > 0:  # else it has not ended
        record["end_time_ns"] = end
    return record


def _given(values: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """By field the value of the first attribute that fills it; and the attribute that gave the prompt's tokens."""
    first = _first(tuple([name for name, value in values.items() if value is not None and value != ""]))
    given: dict[str, Any] = {}
    for field, name, part in first:
        if part:
            given.setdefault(field, {})[part] = values[name]
        else:
            given[field] = values[name]
    return given, next((name for field, name, _ in first if field == "prompt_tokens"), "")


class _Filled(NamedTuple):
    field: str
    attribute: str
    part: str
    """Of a text that several attributes are parts of."""


@lru_cache(maxsize=10_000)
def _first(names: tuple[str, ...]) -> tuple[_Filled, ...]:
    """The attributes that fill fields, the parts of texts before what is a whole one."""
    parts = [
        _Filled(text, name, name.removeprefix(prefix))
        for name in names
        for prefix, text in _TEXTS.items()
        if name not in RANKS and name.startswith(prefix)
    ]
    first: dict[str, str] = {}
    for name in names:
        if name in RANKS and RANKS[name] < RANKS.get(first.get(field := RANKS[name][1], ""), _LAST):
            first[field] = name
    return (
        *(each for each in parts if each.field not in first),
        *(_Filled(field, name, "") for field, name in first.items()),
    )


def _status(status: Any) -> dict[str, Any]:
    if not status:
        return _UNSET
    named = {"status": _named(_object(status, "status").get("code", 0), _STATUSES, "STATUS_CODE_")}
    return named if not status.get("message") else {**named, "error": status["message"]}


def _named(value: Any, names: tuple[str, ...], prefix: str) -> str:
    """The name of an enumeration's value, which JSON has as its number or its name."""
    if type(value) is int and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str) and not value.isdecimal():
        return value.removeprefix(prefix)
    number = int(value) if isinstance(value, int | str) else 0
    return names[number] if 0 <= number < len(names) else names[0]


def _nanoseconds(value: Any) -> int:
    """JSON has 64-bit numbers as text."""
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        raise ValueError(f"{str(value)[:40]!r} is not a time in nanoseconds") from None


def _attributes(values: dict[str, Any], holder: Mapping[str, Any]) -> dict[str, Any]:
    """Adds those that fill fields, by name; those of OBJECTS by the paths of their members."""
    for each in _list(holder, "attributes"):
        name = each.get("key")
        if type(name) is not str:
            continue
        if name in RANKS or name.startswith(_PREFIXES):
            values[name] = _value(each.get("value"))
        elif name in OBJECTS:
            values.update(_members(name, _value(each.get("value"))))
    return values


def _members(name: str, value: Any) -> dict[str, Any]:
    with suppress(ValueError):
        members = load_json(value) if isinstance(value, str) else value
        if isinstance(members, dict):
            return {f"{name}.{member}": each for member, each in members.items()}
    return {}


def _value(typed: Any) -> Any:
    """The value of a typed one: whole numbers as they come, others exact."""
    if not isinstance(typed, dict) or not typed:
        return None
    if "stringValue" in typed:
        return typed["stringValue"]
    kind, value = next(iter(typed.items()))
    if kind == "arrayValue":
        return [_value(each) for each in _list(value, "values")]
    if kind == "kvlistValue":
        return {str(each.get("key")): _value(each.get("value")) for each in _list(value, "values")}
    return Decimal(str(value)) if isinstance(value, float) else value


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} has what is no JSON object")  # noqa: TRY004 - bad input, whatever its type
    return value


def _list(holder: Any, name: str) -> list[Mapping[str, Any]]:
    elements = _elements(holder, name)
    if set(map(type, elements)) <= _OBJECTS:
        return elements
    return [_object(each, name) for each in elements]


def _elements(holder: Any, name: str) -> list[Any]:
    values = _object(holder, name).get(name) or []
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - as above
    return values
