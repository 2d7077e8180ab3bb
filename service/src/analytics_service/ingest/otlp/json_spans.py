"""Spans of OTLP's JSON, in which ids are hexadecimal, and 64-bit numbers text. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from analytics_service.ingest.otlp.scopes import usage_of
from analytics_service.ingest.otlp.spans import KINDS, STATUSES, Resource, Span, mapped, record
from analytics_service.ingest.otlp.values import EMPTY, Attributes, Empty, as_object, elements, of_json

_HEX: Final = re.compile("[0-9a-f]*")


def records(resource_spans: Any) -> Iterator[dict[str, Any] | ValueError | Empty]:
    """The spans of an element of `resourceSpans`, and in the place of what is none the reason: the others are read.

    EMPTY in the place of a list without spans: it takes time as a span does, so it has to be counted.
    A resource or a scope that cannot be read is a reason too; its spans are read without what it says of them.
    """
    try:
        scopes = elements(resource_spans, "scopeSpans")
    except ValueError as error:
        yield error
        return
    resource = Resource.of({})
    try:
        resource = Resource.of(of_json(as_object(resource_spans.get("resource") or {}, "resource")))
    except ValueError as error:
        yield ValueError(f"resource: {error}")
    if not scopes:
        yield EMPTY
    for scope_spans in scopes:
        try:
            spans = elements(as_object(scope_spans, "scopeSpans"), "spans")
        except ValueError as error:
            yield error
            continue
        if not spans:
            yield EMPTY
            continue
        scope: Mapping[str, Any] = {}
        try:
            scope = as_object(scope_spans.get("scope") or {}, "scope")
        except ValueError as error:
            yield error
        usage = usage_of(str(scope.get("name", "")), str(scope_spans.get("schemaUrl", "")))
        for span in spans:
            try:
                yield record(_span(as_object(span, "spans")), resource, usage)
            except ValueError as error:
                yield error


def _span(span: Mapping[str, Any]) -> Span:
    status = as_object(span.get("status") or {}, "status")
    events: Attributes = {}
    for event in elements(span, "events"):
        if as_object(event, "events").get("attributes"):
            events.update(mapped(of_json(event)))
    return Span(
        trace_id=identity(span.get("traceId"), "traceId", 32),
        span_id=identity(span.get("spanId"), "spanId", 16),
        parent_span_id=identity(span["parentSpanId"], "parentSpanId", 16) if _has_parent(span) else None,
        name=span.get("name") or "",
        kind=_named(span.get("kind", 0), KINDS, "SPAN_KIND_").lower(),
        start=nanoseconds(span.get("startTimeUnixNano")),
        end=nanoseconds(span.get("endTimeUnixNano")),
        status=_named(status.get("code", 0), STATUSES, "STATUS_CODE_"),
        message=status.get("message") or "",
        attributes=of_json(span),
        events=events,
    )


def identity(value: Any, name: str, digits: int) -> str:
    """An id in small letters; ValueError where it is none of so many hexadecimal digits, or of zeros alone."""
    text = value.lower() if isinstance(value, str) else ""
    if len(text) != digits or not _HEX.fullmatch(text):
        raise ValueError(f"{name}: has to have {digits} hexadecimal digits")
    if text.strip("0") == "":
        raise ValueError(f"{name}: has to have a digit other than zero")
    return text


def nanoseconds(value: Any) -> int:
    """JSON has 64-bit numbers as text."""
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{str(value)[:40]!r} is not a time in nanoseconds") from None


def _has_parent(span: Mapping[str, Any]) -> bool:
    parent = span.get("parentSpanId")
    return not (parent is None or (isinstance(parent, str) and parent.strip("0") == ""))


def _named(value: Any, names: tuple[str, ...], prefix: str) -> str:
    """The name of an enumeration's value, which JSON has as its number or its name."""
    if isinstance(value, str) and not value.isdecimal():
        return value.removeprefix(prefix)
    number = int(value) if isinstance(value, int | str) else 0
    return names[number] if 0 <= number < len(names) else names[0]
