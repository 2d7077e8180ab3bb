"""Spans of OTLP become records with the names of fields (ingest/fields.py). Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from analytics_service.ingest.otlp import unmapped
from analytics_service.ingest.otlp.attributes import FAMILIES, LONG, MACHINE, OBJECTS, PREFIXES, RANKS, TEXTS
from analytics_service.ingest.otlp.values import Attributes

_OF_SPANS: Final = (
    *("trace_id", "span_id", "parent_span_id", "name", "ts_ns", "end_time_ns", "usage_convention", "attributes"),
    "is_request",
)
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {name: name for name in (*_OF_SPANS, *(field for _, field in RANKS.values()))}
)
"""What records have, each by the field that it fills."""
KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
"""By number: the operation of a span that has no attribute which says it."""
STATUSES: Final = ("UNSET", "OK", "ERROR")


class Resource(NamedTuple):
    """What made spans."""

    mapped: Attributes
    unmapped: Attributes

    @classmethod
    def of(cls, values: Attributes) -> "Resource":
        others = {name: value for name, value in values.items() if name not in RANKS and not name.startswith(MACHINE)}
        return cls(mapped(values), others)

    def fields(self) -> dict[str, Any]:
        """By field what it says of all that it made."""
        return _given(self.mapped)[0]


def mapped(values: Attributes) -> Attributes:
    """Those that fill a field."""
    return {name: value for name, value in values.items() if name in RANKS or name.startswith(PREFIXES)}


class Span(NamedTuple):
    """A span, whichever encoding it came in."""

    trace_id: str
    """32 hex digits; the ids of spans have 16."""
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    start: int
    """Nanoseconds since 1970; 0 where it is not known."""
    end: int
    status: str
    message: str
    attributes: Attributes
    events: Attributes
    """Those of all of its events that fill a field."""


def record(span: Span, resource: Resource, usage: str) -> dict[str, Any]:
    """By field; `usage` is the convention of its scope (otlp/scopes.py)."""
    values = {**resource.mapped, **span.events, **span.attributes}
    given, prompt, others = _given(values)
    made: dict[str, Any] = {
        "operation_type": span.kind,
        "usage_convention": FAMILIES.get(prompt, usage),
        "status": span.status,
    }
    if span.message:
        made["error"] = span.message
    made.update(given)
    made["name"] = span.name
    made["trace_id"] = span.trace_id
    made["span_id"] = span.span_id
    if span.parent_span_id is not None:
        made["parent_span_id"] = span.parent_span_id
    if span.start:
        made["ts_ns"] = span.start
    if span.end >= span.start > 0:  # else it has not ended
        made["end_time_ns"] = span.end
    if others or resource.unmapped:
        made["attributes"] = unmapped.dumped({**resource.unmapped, **others})
    return made


def _given(values: Attributes) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """By field the value of the first attribute that fills it; the attribute that gave the prompt's tokens; and those
    that fill none, or that say something else than the first.
    """
    first: dict[str, tuple[int, str, Any]] = {}
    texts: dict[str, dict[str, Any]] = {}
    others: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == "":
            continue
        ranked = RANKS.get(name)
        if ranked is None:
            prefix = name.startswith(PREFIXES) and next(each for each in TEXTS if name.startswith(each))
            if prefix:
                texts.setdefault(TEXTS[prefix], {})[name.removeprefix(prefix)] = value
            elif name not in OBJECTS:
                others[name] = value
            continue
        rank, field = ranked
        if field in first:
            before = first[field]
            if before[0] < rank:
                later = (rank, name, value)
            else:
                later, first[field] = before, (rank, name, value)
            if field not in LONG and before[2] != value:
                others[later[1]] = later[2]
        else:
            first[field] = (rank, name, value)
    _, prompt, _ = first.get("prompt_tokens", (0, "", None))
    return {**texts, **{field: value for field, (_, _, value) in first.items()}}, prompt, others
