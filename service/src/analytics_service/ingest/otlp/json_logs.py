"""Log records of OTLP's JSON. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from analytics_service.ingest.otlp.json_spans import identity, nanoseconds
from analytics_service.ingest.otlp.logs import Event, has_content
from analytics_service.ingest.otlp.spans import Resource
from analytics_service.ingest.otlp.values import EMPTY, Empty, as_object, elements, json_value, of_json


def events(resource_logs: Any) -> Iterator[Event | ValueError | Empty]:
    """The events with content of an element of `resourceLogs`, and in the place of each other record the reason.

    EMPTY in the place of a list without records, as of spans.
    """
    try:
        resource = Resource.of(of_json(as_object(resource_logs, "resourceLogs").get("resource") or {}))
        scopes = elements(resource_logs, "scopeLogs")
    except ValueError as error:
        yield error
        return
    if not scopes:
        yield EMPTY
    for scope_logs in scopes:
        try:
            listed = elements(scope_logs, "logRecords")
        except ValueError as error:
            yield error
            continue
        if not listed:
            yield EMPTY
        for each in listed:
            try:
                yield _event(as_object(each, "logRecords"), resource)
            except ValueError as error:
                yield error


def _event(log: Mapping[str, Any], resource: Resource) -> Event:
    attributes = of_json(log)
    name = str(log.get("eventName") or attributes.get("event.name") or "")
    if not has_content(name):
        raise ValueError("only events with the content of GenAI calls are kept")
    return Event(
        trace_id=identity(log.get("traceId"), "traceId", 32),
        span_id=identity(log.get("spanId"), "spanId", 16),
        time=nanoseconds(log.get("timeUnixNano")) or nanoseconds(log.get("observedTimeUnixNano")),
        name=name,
        body=json_value(log.get("body")),
        attributes=attributes,
        resource=resource,
    )
