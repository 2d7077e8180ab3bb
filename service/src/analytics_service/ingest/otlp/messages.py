"""The messages of a request in OTLP's two encodings: what is in them, for each of the three signals. Pure."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from analytics_service.ingest.otlp import json_logs, json_spans, message_logs, message_spans
from analytics_service.ingest.otlp.logs import Event
from analytics_service.ingest.otlp.values import Empty, as_object, elements

_MAX_COUNTED: Final = 100_000
"""Metrics, and lists without any."""
_NOTHING: Final[list[Any]] = [{}]


class UnreadableBody(ValueError):
    """The bytes are no message."""


def spans(body: bytes, *, is_json: bool) -> Iterator[dict[str, Any] | ValueError | Empty]:
    """The records of the spans of a request, and in the place of one that cannot be used the reason.

    EMPTY in the place of each list without spans: a request that has nothing else takes time, too.

    UnreadableBody at once where the bytes are no request.
    """
    if is_json:
        return (each for part in _elements(body, "resourceSpans") for each in json_spans.records(part))
    request = _message(ExportTraceServiceRequest, body)
    return (each for part in request.resource_spans for each in message_spans.records(part))


def events(body: bytes, *, is_json: bool) -> Iterator[Event | ValueError | Empty]:
    """As `spans`, of log records."""
    if is_json:
        return (each for part in _elements(body, "resourceLogs") for each in json_logs.events(part))
    request = _message(ExportLogsServiceRequest, body)
    return (each for part in request.resource_logs for each in message_logs.events(part))


def count_points(body: bytes, *, is_json: bool) -> int:
    """The number of data points of a request with metrics; UnreadableBody where the metrics are too many to be read."""
    if is_json:
        parts = (each for part in _elements(body, "resourceMetrics") for each in _json_points(part))
    else:
        request = _message(ExportMetricsServiceRequest, body)
        parts = (each for part in request.resource_metrics for each in _message_points(part))
    try:
        total = sum(islice(parts, _MAX_COUNTED))
        more = next(parts, None)
    except ValueError as error:
        raise UnreadableBody(str(error)) from None
    if more is not None:
        raise UnreadableBody(f"the body has more than {_MAX_COUNTED} metrics: send smaller batches")
    return total


def _json_points(resource_metrics: Any) -> Iterator[int]:
    """Of each metric; 0 for a list that has none."""
    for scope in elements(resource_metrics, "scopeMetrics") or _NOTHING:
        for metric in elements(scope, "metrics") or _NOTHING:
            kinds = as_object(metric, "metrics").values()
            yield sum(len(elements(data, "dataPoints")) for data in kinds if isinstance(data, dict))


def _message_points(resource_metrics: Any) -> Iterator[int]:
    for scope in resource_metrics.scope_metrics or (None,):
        for metric in scope.metrics if scope and scope.metrics else (None,):
            kind = metric and metric.WhichOneof("data")
            yield len(getattr(metric, kind).data_points) if kind else 0


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
