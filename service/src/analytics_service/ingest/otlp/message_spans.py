"""Spans of OTLP's protobuf messages. Pure."""

from collections.abc import Iterator

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from analytics_service.ingest.otlp.scopes import usage_of
from analytics_service.ingest.otlp.spans import KINDS, STATUSES, Resource, Span, mapped, record
from analytics_service.ingest.otlp.values import EMPTY, Attributes, Empty, of_messages


def records(resource_spans: ResourceSpans) -> Iterator[dict[str, object] | ValueError | Empty]:
    """As those of JSON: in the place of a span that cannot be used the reason."""
    try:
        resource = Resource.of(of_messages(resource_spans.resource.attributes))
    except ValueError as error:
        yield from (error for scope_spans in resource_spans.scope_spans for _ in scope_spans.spans or (None,))
        return
    if not resource_spans.scope_spans:
        yield EMPTY
    for scope_spans in resource_spans.scope_spans:
        if not scope_spans.spans:
            yield EMPTY
            continue
        usage = usage_of(scope_spans.scope.name, scope_spans.schema_url)
        for span in scope_spans.spans:
            try:
                yield record(_span(span), resource, usage)
            except ValueError as error:
                yield error


def _span(span: Message) -> Span:
    events: Attributes = {}
    for event in span.events:
        if event.attributes:  # a body may have millions of events, most of them without any
            events.update(mapped(of_messages(event.attributes)))
    parent, kind, status = span.parent_span_id, span.kind, span.status
    return Span(
        trace_id=identity(span.trace_id, "trace_id", 16),
        span_id=identity(span.span_id, "span_id", 8),
        parent_span_id=identity(parent, "parent_span_id", 8) if any(parent) else None,
        name=span.name,
        kind=KINDS[kind] if 0 <= kind < len(KINDS) else KINDS[0],
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        status=STATUSES[status.code] if 0 <= status.code < len(STATUSES) else STATUSES[0],
        message=status.message,
        attributes=of_messages(span.attributes),
        events=events,
    )


def identity(value: bytes, name: str, size: int) -> str:
    """An id as hexadecimal digits; ValueError where it has not so many bytes, or zeros alone."""
    if len(value) != size:
        raise ValueError(f"{name}: has {len(value)} bytes in place of {size}")
    if not any(value):
        raise ValueError(f"{name}: has to have a byte other than zero")
    return value.hex()
