"""Log records of OTLP's protobuf messages. Pure."""

from collections.abc import Iterator

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from analytics_service.ingest.otlp.logs import Event, has_content
from analytics_service.ingest.otlp.message_spans import identity
from analytics_service.ingest.otlp.spans import Resource
from analytics_service.ingest.otlp.values import EMPTY, Empty, message_value, of_messages


def events(resource_logs: ResourceLogs) -> Iterator[Event | ValueError | Empty]:
    """As those of JSON: in the place of each record that is not kept the reason."""
    try:
        resource = Resource.of(of_messages(resource_logs.resource.attributes))
    except ValueError as error:
        yield from (error for scope_logs in resource_logs.scope_logs for _ in scope_logs.log_records or (None,))
        return
    if not resource_logs.scope_logs:
        yield EMPTY
    for scope_logs in resource_logs.scope_logs:
        if not scope_logs.log_records:
            yield EMPTY
        for each in scope_logs.log_records:
            try:
                yield _event(each, resource)
            except ValueError as error:
                yield error


def _event(log: LogRecord, resource: Resource) -> Event:
    attributes = of_messages(log.attributes)
    name = log.event_name or str(attributes.get("event.name") or "")
    if not has_content(name):
        raise ValueError("only events with the content of GenAI calls are kept")
    return Event(
        trace_id=identity(log.trace_id, "trace_id", 16),
        span_id=identity(log.span_id, "span_id", 8),
        time=log.time_unix_nano or log.observed_time_unix_nano,
        name=name,
        body=message_value(log.body),
        attributes=attributes,
        resource=resource,
    )
