"""The messages of a request in OTLP's two encodings: what is in them, for each of the three signals. Pure."""

from collections.abc import Iterator
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from analytics_service.ingest.otlp import json_logs, json_spans, message_logs, message_spans
from analytics_service.ingest.otlp.logs import Event
from analytics_service.ingest.otlp.values import as_object, elements


class UnreadableBody(ValueError):
    """The bytes are no message."""


def spans(body: bytes, *, is_json: bool) -> Iterator[dict[str, Any] | ValueError]:
    """The records of the spans of a request, and in the place of one that cannot be used the reason.

    UnreadableBody at once where the bytes are no request.
    """
    if is_json:
        return (each for part in _elements(body, "resourceSpans") for each in json_spans.records(part))
    request = _message(ExportTraceServiceRequest, body)
    return (each for part in request.resource_spans for each in message_spans.records(part))


def events(body: bytes, *, is_json: bool) -> Iterator[Event | ValueError]:
    """As `spans`, of log records."""
    if is_json:
        return (each for part in _elements(body, "resourceLogs") for each in json_logs.events(part))
    request = _message(ExportLogsServiceRequest, body)
    return (each for part in request.resource_logs for each in message_logs.events(part))


def count_points(body: bytes, *, is_json: bool) -> int:
    """The number of data points of a request with metrics."""
    if is_json:
        try:
            return sum(_json_points(part) for part in _elements(body, "resourceMetrics"))
        except ValueError as error:
            raise UnreadableBody(str(error)) from None
    request = _message(ExportMetricsServiceRequest, body)
    return sum(
        len(getattr(metric, kind).data_points)
        for part in request.resource_metrics
        for scope in part.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


def _json_points(resource_metrics: Any) -> int:
    return sum(
        len(elements(data, "dataPoints"))
        for scope in elements(resource_metrics, "scopeMetrics")
        for metric in elements(scope, "metrics")
        for data in as_object(metric, "metrics").values()
        if isinstance(data, dict)
    )


def _message(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise UnreadableBody(f"the body is no {kind.DESCRIPTOR.name} of OTLP") from None


def _elements(body: bytes, name: str) -> list[Any]:
    try:
        return elements(orjson.loads(body), name)
    except orjson.JSONDecodeError as error:
        raise UnreadableBody(f"the body is not JSON: see line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise UnreadableBody(f"the body is no request of OTLP: {error}") from None
