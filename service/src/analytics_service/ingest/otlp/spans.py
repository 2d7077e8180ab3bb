"""Spans of OTLP, as decoded JSON has them, become records with the names of fields (ingest/fields.py). Pure."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

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


def records(resource_spans: Any) -> Iterator[dict[str, Any] | ValueError]:
    """The spans of an element of `resourceSpans`, and in the place of what is none the reason: the others are read."""
    try:
        resource = _attributes(_object(resource_spans, "resourceSpans").get("resource") or {})
        scopes = _elements(resource_spans, "scopeSpans")
    except ValueError as error:
        yield error
        return
    for scope_spans in scopes:
        try:
            scope = _object(_object(scope_spans, "scopeSpans").get("scope") or {}, "scope")
            usage = usage_of(str(scope.get("name", "")), str(scope_spans.get("schemaUrl", "")))
            spans = _elements(scope_spans, "spans")
        except ValueError as error:
            yield error
            continue
        for span in spans:
            try:
                yield _record(_object(span, "spans"), resource, usage)
            except ValueError as error:
                yield error


def _record(span: Mapping[str, Any], resource: Mapping[str, Any], usage: str) -> dict[str, Any]:
    values = dict(resource)
    for event in _list(span, "events"):
        values.update(_attributes(event))
    values.update(_attributes(span))
    given, prompt = _given(values)
    record = {
        "operation_type": _named(span.get("kind", 0), _KINDS, "SPAN_KIND_").lower(),
        "usage_convention": FAMILIES.get(prompt, usage),
        **_status(span),
        **given,
        "name": span.get("name"),
    }
    for name, key in (("trace_id", "traceId"), ("span_id", "spanId"), ("parent_span_id", "parentSpanId")):
        identity = str(span.get(key) or "").lower()
        record[name] = None if identity in _NO_ID else identity
    start, end = _nanoseconds(span.get("startTimeUnixNano")), _nanoseconds(span.get("endTimeUnixNano"))
    record["ts_ns"] = start or None
    if end >= start > 0:  # else it has not ended
        record["end_time_ns"] = end
    return record


def _given(values: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """By field the value of the first attribute that fills it; and the attribute that gave the prompt's tokens."""
    first: dict[str, tuple[int, str, Any]] = {}
    texts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if value is None or value == "":
            continue
        rank, field = RANKS.get(name, (None, ""))
        if rank is not None and (field not in first or rank < first[field][0]):
            first[field] = (rank, name, value)
        elif rank is None:
            for prefix, text in _TEXTS.items():
                if name.startswith(prefix):
                    texts.setdefault(text, {})[name.removeprefix(prefix)] = value
    _, prompt, _ = first.get("prompt_tokens", (0, "", None))
    return {**texts, **{field: value for field, (_, _, value) in first.items()}}, prompt


def _status(span: Mapping[str, Any]) -> dict[str, Any]:
    status = _object(span.get("status") or {}, "status")
    found = {"status": _named(status.get("code", 0), _STATUSES, "STATUS_CODE_")}
    return found if not status.get("message") else {**found, "error": status["message"]}


def _named(value: Any, names: tuple[str, ...], prefix: str) -> str:
    """The name of an enumeration's value, which JSON has as its number or its name."""
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


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """By name; those of OBJECTS by the paths of their members."""
    values = {str(each.get("key")): _value(each.get("value")) for each in _list(holder, "attributes")}
    for name in OBJECTS.intersection(values):
        with suppress(ValueError):
            members = load_json(values[name]) if isinstance(values[name], str) else values[name]
            if isinstance(members, dict):
                values.update({f"{name}.{member}": value for member, value in members.items()})
    return values


def _value(typed: Any) -> Any:
    """The value of a typed one: whole numbers as they come, others exact."""
    if not isinstance(typed, dict) or not typed:
        return None
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
    return [_object(each, name) for each in _elements(holder, name)]


def _elements(holder: Any, name: str) -> list[Any]:
    values = _object(holder, name).get(name) or []
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - as above
    return values
