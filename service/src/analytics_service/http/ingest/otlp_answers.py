"""Answers of OTLP/HTTP, in the encoding of their request: what was taken, or google.rpc.Status. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

_MAX_REASONS: Final = 5
_MAX_MESSAGE: Final = 1_000
"""Characters."""


class Encoding(StrEnum):
    """The media type of a request and of its answer."""

    JSON = "application/json"
    PROTOBUF = "application/x-protobuf"


class Signal(StrEnum):
    """The member that counts what was rejected."""

    SPANS = "rejected_spans"
    LOGS = "rejected_log_records"
    POINTS = "rejected_data_points"


_RESPONSES: Final[Mapping[Signal, Any]] = MappingProxyType(
    {
        Signal.SPANS: ExportTraceServiceResponse,
        Signal.LOGS: ExportLogsServiceResponse,
        Signal.POINTS: ExportMetricsServiceResponse,
    }
)
_CODES: Final[Mapping[int, int]] = MappingProxyType({401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 429: 8, 503: 14, 504: 4})
"""Of google.rpc.Code, by the status of HTTP; all else is INVALID_ARGUMENT or INTERNAL."""


def exported(signal: Signal, encoding: Encoding, *, rejected: int, message: str) -> bytes:
    """The answer to a request that was understood; without a partial success where nothing was rejected."""
    if encoding is Encoding.PROTOBUF:
        response = _RESPONSES[signal]()
        if rejected:
            setattr(response.partial_success, signal.value, rejected)
            response.partial_success.error_message = message
        body: bytes = response.SerializeToString()
        return body
    if not rejected:
        return b"{}"
    head, *rest = signal.value.split("_")
    name = head + "".join(word.title() for word in rest)
    return orjson.dumps({"partialSuccess": {name: str(rejected), "errorMessage": message}})


def reasons(what: str, total: int, rejected: Sequence[tuple[int, str]]) -> str:
    """One line that names the first of what was rejected, by their position."""
    first = "; ".join(f"{number}: {reason}" for number, reason in rejected[:_MAX_REASONS])
    more = f"; and {len(rejected) - _MAX_REASONS} more" if len(rejected) > _MAX_REASONS else ""
    return f"{len(rejected)} of {total} {what} were rejected, by position: {first}{more}"[:_MAX_MESSAGE]


def status(code: int, message: str, encoding: Encoding) -> bytes:
    """google.rpc.Status of an HTTP status."""
    number = _CODES.get(code, 13 if code >= 500 else 3)
    if encoding is Encoding.JSON:
        return orjson.dumps({"code": number, "message": message})
    text = message.encode()
    return b"\x08" + _varint(number) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))
