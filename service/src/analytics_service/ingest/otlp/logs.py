"""Events of the GenAI conventions that carry content become records of the spans that they belong to. Pure.

Such a record has nothing but the texts. It becomes one row with the span's (ingest/merge.py), whichever comes first.
The messages of a span that come in one request are one text; of two requests the longer text stays.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from analytics_service.ingest.otlp.spans import Resource
from analytics_service.ingest.otlp.values import Attributes

DETAILS: Final = "gen_ai.client.inference.operation.details"
"""Since 1.37 the one event with all content, in attributes."""
_CONTENT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"input": ("gen_ai.system_instructions", "gen_ai.input.messages"), "output": ("gen_ai.output.messages",)}
)
ROLES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "gen_ai.system.message": ("input", "system"),
        "gen_ai.user.message": ("input", "user"),
        "gen_ai.assistant.message": ("input", "assistant"),
        "gen_ai.tool.message": ("input", "tool"),
        "gen_ai.choice": ("output", "assistant"),
    }
)
"""Before 1.37 an event a message: the text that it is a part of, and the role where its body does not say it."""


class Event(NamedTuple):
    """A log record with the content of a call."""

    trace_id: str
    span_id: str
    time: int
    """Nanoseconds since 1970."""
    name: str
    body: Any
    attributes: Attributes
    resource: Resource


def has_content(name: str) -> bool:
    """Whether the event of this name carries content."""
    return name == DETAILS or name in ROLES


def records(events: Iterable[Event]) -> list[tuple[dict[str, Any], int]]:
    """A record for each span, with the number of events that it is made of."""
    spans: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        spans.setdefault((event.trace_id, event.span_id), []).append(event)
    return [(_record(of_span), len(of_span)) for of_span in spans.values()]


def _record(events: list[Event]) -> dict[str, Any]:
    events.sort(key=lambda event: event.time)
    texts: dict[str, Any] = {}
    messages: dict[str, list[Any]] = {}
    for event in events:
        if event.name == DETAILS:
            for text, names in _CONTENT.items():
                given = [event.attributes[name] for name in names if event.attributes.get(name)]
                if given:
                    texts[text] = given[0] if len(given) == 1 else given
        else:
            text, role = ROLES[event.name]
            body = event.body if isinstance(event.body, dict) else {"content": event.body}
            messages.setdefault(text, []).append({"role": role, **body})
    first = events[0]
    return {
        **{text: parts for text, parts in messages.items() if text not in texts},
        **texts,
        **_named(first.resource),
        "trace_id": first.trace_id,
        "span_id": first.span_id,
        "ts_ns": first.time,
        "is_request": False,
    }


def _named(resource: Resource) -> dict[str, Any]:
    """What a resource says of all spans."""
    return {
        field: value
        for field, value in resource.fields().items()
        if field in {"service_name", "environment", "project"}
    }
