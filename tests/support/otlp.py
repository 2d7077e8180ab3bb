"""Requests of OTLP in both encodings, from one description of their spans, as an exporter would send them."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.support.service import Client, Response

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
SCHEMA = "https://opentelemetry.io/schemas/1.40.0"


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


@dataclass(frozen=True, kw_only=True)
class Span:
    number: int = 1
    trace: int = 1
    parent: int | None = None
    name: str = "chat gpt-4o"
    ts: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: int = 1
    attributes: Mapping[str, Any] = field(
        default_factory=lambda: {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 100,
        }
    )
    """Of 0.0035 dollars."""

    @property
    def trace_id(self) -> str:
        return f"{self.trace:032x}"

    @property
    def span_id(self) -> str:
        return f"{self.number:016x}"


def typed(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            made = AnyValue()
            made.array_value.values.extend(map(typed, value))
            return made
        case dict():
            made = AnyValue()
            made.kvlist_value.values.extend(pairs(value))
            return made
        case _:
            return AnyValue(string_value=value)


def pairs(values: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=typed(value)) for name, value in values.items()]


def message(spans: Iterable[Span], *, scope: str = "my.app", **resource: Any) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.extend(pairs({"service.name": "shop", **_dotted(resource)}))
    scoped = part.scope_spans.add(schema_url=SCHEMA)
    scoped.scope.name = scope
    for span in spans:
        start = nanoseconds(span.ts)
        scoped.spans.add(
            trace_id=bytes.fromhex(span.trace_id),
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=b"" if span.parent is None else bytes.fromhex(f"{span.parent:016x}"),
            name=span.name,
            kind=3,
            start_time_unix_nano=start,
            end_time_unix_nano=start + span.seconds * 1_000_000_000,
            attributes=pairs(span.attributes),
        )
    return request


def in_json(spans: Iterable[Span], *, scope: str = "my.app", **resource: Any) -> dict[str, Any]:
    """The same as JSON, by hand: protobuf's own writes ids as base64."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": json_pairs({"service.name": "shop", **_dotted(resource)})},
                "scopeSpans": [
                    {"scope": {"name": scope}, "schemaUrl": SCHEMA, "spans": [_span(span) for span in spans]}
                ],
            }
        ]
    }


def encoded(spans: Iterable[Span], media_type: str = PROTOBUF, **how: Any) -> bytes:
    if media_type == PROTOBUF:
        return message(spans, **how).SerializeToString()
    return json.dumps(in_json(spans, **how)).encode()


async def send(
    client: Client,
    body: bytes,
    media_type: str = PROTOBUF,
    *,
    path: str = "/v1/traces",
    token: str | None = None,
    **headers: str,
) -> Response:
    """Headers may have `_` for `-`."""
    given = {
        "Authorization": f"Bearer {token or client.token}",
        "Content-Type": media_type,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await client.request("POST", path, data=io.BytesIO(body), headers=given)


def _dotted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in values.items()}


def _span(span: Span) -> dict[str, Any]:
    start = nanoseconds(span.ts)
    return {
        "traceId": span.trace_id.upper(),
        "spanId": span.span_id,
        "parentSpanId": "" if span.parent is None else f"{span.parent:016x}",
        "name": span.name,
        "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + span.seconds * 1_000_000_000),
        "attributes": json_pairs(span.attributes),
        "status": {},
    }


def json_pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": json_typed(value)} for name, value in values.items()]


def json_typed(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [json_typed(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": json_pairs(value)}}
        case _:
            return {"stringValue": value}
