"""Spans that exporters send are stored once, whichever encoding they come in, and bad ones are named."""

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import zstandard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from analytics_service.http.ingest import otlp
from tests.support.otlp import JSON, PROTOBUF, Span, encoded, in_json, message, nanoseconds, pairs, send, typed
from tests.support.service import Client, a_token

NOW = datetime.now(UTC).replace(microsecond=123456)
SQL = "SELECT count(*), sum(request_weight) FILTER (WHERE is_request), trim_scale(sum(total_cost_usd)) FROM traces"


def partial(body: bytes) -> tuple[int, str]:
    answered = ExportTraceServiceResponse.FromString(body).partial_success
    return answered.rejected_spans, answered.error_message


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON, "application/protobuf"])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "zstd", "GZIP"])
async def test_spans_of_every_encoding_are_committed_once(
    client: Client, stored: Callable[[str], str], media_type: str, encoding: str
) -> None:
    encode: Any = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}
    spans = [
        Span(number=number, trace=1 + number // 4, ts=NOW + timedelta(milliseconds=number)) for number in range(1, 41)
    ]
    plain = encoded(spans, JSON if media_type == JSON else PROTOBUF)
    body = encode.get(encoding.lower(), bytes)(plain)
    for path in ("/v1/traces", "/api/v1/otlp/v1/traces"):
        answer = await send(client, body, media_type, path=path, Content_Encoding=encoding)
        assert (answer.status, answer.headers["Content-Type"]) == (200, JSON if media_type == JSON else PROTOBUF)
        assert answer.body == (b"{}" if media_type == JSON else b"")
    assert stored(SQL) == "40|40|0.14"
    shown = "trace_id, span_id, service_name, model, prompt_tokens, duration_us, ts = '" + spans[0].ts.isoformat() + "'"
    assert (
        stored(f"SELECT {shown} FROM traces ORDER BY ts LIMIT 1")
        == f"{spans[0].trace_id}|{spans[0].span_id}|shop|gpt-4o|1000|1000000|t"
    )


async def test_a_batch_that_comes_again_with_more_adds_what_is_new(
    client: Client, stored: Callable[[str], str]
) -> None:
    """As collectors resend after a timeout, in other batches, and spans of one trace in any order."""
    inner = Span(number=2, parent=1, ts=NOW)
    outer = Span(number=1, ts=NOW)
    for spans in ([inner], [inner, outer], [outer], [Span(number=3, trace=2, ts=NOW), inner, inner]):
        assert (await send(client, encoded(spans))).status == 200
    assert stored(SQL) == "3|2|0.0105"
    assert stored("SELECT span_id FROM traces WHERE is_nested") == outer.span_id


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
async def test_bad_spans_are_named_and_all_others_stored(
    client: Client, stored: Callable[[str], str], media_type: str
) -> None:
    good = [Span(number=number, ts=NOW) for number in (1, 2)]
    long_ago, ahead = (Span(number=7, ts=NOW + days) for days in (timedelta(days=-100), timedelta(days=2)))
    if media_type == PROTOBUF:
        request = message([good[0], long_ago, ahead, Span(number=8), Span(number=9), good[1]])
        spans = request.resource_spans[0].scope_spans[0].spans
        spans[3].trace_id = b"short"
        spans[4].span_id = bytes(8)
        body = request.SerializeToString()
    else:
        document: Any = in_json([good[0], long_ago, ahead, Span(number=8), Span(number=9), good[1]])
        spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
        spans[3]["traceId"] = "not hexadecimal"
        spans[4]["spanId"] = "0" * 16
        body = json.dumps(document).encode()
    answer = await send(client, body, media_type)
    assert answer.status == 200
    if media_type == PROTOBUF:
        rejected, said = partial(answer.body)
    else:
        rejected, said = (answer.json["partialSuccess"][name] for name in ("rejectedSpans", "errorMessage"))
    assert int(rejected) == 4
    assert said.startswith("4 of 6 spans were rejected, by position: 1: ts: ")
    assert "3: trace" in said
    assert "4: span" in said
    assert stored("SELECT count(*) FROM traces") == "2"
    assert await client.metric("analytics_ingest_rejected_rows_total", field="ts") == 2
    assert await client.metric("analytics_ingest_rows_total", form="otlp", result="accepted") == 2


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


async def test_attributes_are_kept_as_far_as_they_fit(client: Client, stored: Callable[[str], str]) -> None:
    """10,000 of them, long ones, what jsonb cannot hold, and unknown fields of messages that are newer than ours."""
    usage = Span().attributes
    spans = [
        Span(number=1, ts=NOW, attributes={**usage, **{f"a{number:05}": number for number in range(10_000)}}),
        Span(number=2, ts=NOW, attributes={**usage, "long": "x" * 100_000, "short": "y"}),
        Span(number=3, ts=NOW, attributes={**usage, "nul": "a\0b", "nan": float("nan"), "list": [1, "a", 0.5, True]}),
        Span(number=4, ts=NOW, attributes={**usage, "deep": deep(40)}),
        Span(number=5, ts=NOW, attributes={**usage, "server.address": "api.openai.com"}),
    ]
    body = encoded(spans, k8s__pod__name="p1", process__pid=7)
    unknown_field = b"\xba\x3e\x03abc"  # number 999, of bytes
    assert (await send(client, body + unknown_field)).status == 200
    kept = "SELECT attributes - 'k8s.pod.name' FROM traces WHERE span_id = "
    of = [json.loads(stored(f"{kept}'{span.span_id}'")) for span in spans]
    assert (len(of[0]), of[0]["dropped_attributes_count"]) == (257, 9_745)
    assert of[1] == {"dropped_attributes_count": 1, "short": "y"}
    assert of[2] == {"nul": "a\ufffdb", "nan": "NaN", "list": [1, "a", 0.5, True]}
    assert of[3] == {"deep": deep(40)}
    assert of[4] == {"server.address": "api.openai.com"}
    assert stored("SELECT DISTINCT attributes->>'k8s.pod.name' FROM traces") == "p1"


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        pytest.param(b"\xff\xff", {}, 400, "no ExportTraceServiceRequest", id="no protobuf"),
        pytest.param(encoded([Span()])[:-7], {}, 400, "no ExportTraceServiceRequest", id="cut"),
        pytest.param(
            gzip.compress(encoded([Span()]))[:-9], {"Content_Encoding": "gzip"}, 400, "encoded", id="cut gzip"
        ),
        pytest.param(
            zstandard.compress(encoded([Span()]))[:-3], {"Content_Encoding": "zstd"}, 400, "encoded", id="cut zstd"
        ),
        pytest.param(b"plain", {"Content_Encoding": "gzip"}, 400, "encoded", id="no gzip"),
        pytest.param(gzip.compress(bytes(2**27)), {"Content_Encoding": "gzip"}, 413, "bytes", id="bomb of gzip"),
        pytest.param(zstandard.compress(bytes(2**27)), {"Content_Encoding": "zstd"}, 413, "bytes", id="bomb of zstd"),
        pytest.param(zlib.compress(bytes(2**27)), {"Content_Encoding": "deflate"}, 413, "bytes", id="bomb of deflate"),
        pytest.param(bytes(2**24 + 1), {}, 413, "bytes", id="too long"),
        pytest.param(b"", {"Content_Encoding": "br"}, 415, "gzip, deflate, zstd", id="another encoding"),
        pytest.param(b"", {"Content_Type": "text/plain"}, 415, "application/x-protobuf", id="another type"),
        pytest.param(b"{", {"Content_Type": JSON}, 400, "line 1", id="no JSON"),
        pytest.param(b"[" * 10_000, {"Content_Type": JSON}, 400, "not JSON", id="deep JSON"),
        pytest.param(b'{"resourceSpans": 7}', {"Content_Type": JSON}, 400, "no list", id="no request"),
        pytest.param(b"", {"Authorization": "Bearer x"}, 401, "token", id="no token"),
        pytest.param(
            b"", {"Authorization": f"Bearer {a_token(role='viewer')}"}, 403, "traces:write", id="no permission"
        ),
    ],
)
async def test_what_cannot_be_read_has_a_status_and_a_reason(
    client: Client, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = await send(client, body, **headers)
    assert answer.status == status
    if headers.get("Content_Type"):
        assert said in answer.json["message"]
    else:
        assert answer.headers["Content-Type"] == PROTOBUF
        assert said in answer.body.decode("utf-8", "replace")
    assert (await send(client, encoded([Span()]))).status == 200


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
async def test_a_defect_is_answered_in_the_encoding_of_the_request(
    client: Client, media_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "_SIGNALS", {})
    answer = await send(client, b"", media_type)
    assert await client.metric("analytics_http_problems_total", error_code="INTERNAL_ERROR") == 1
    assert (answer.status, answer.headers["Content-Type"]) == (500, media_type)
    assert b"the log has the cause under this request id" in answer.body
    assert answer.json["code"] == 13 if media_type == JSON else answer.body.startswith(b"\x08\x0d\x12")


async def test_a_million_spans_are_too_many(client: Client, stored: Callable[[str], str]) -> None:
    request = message([Span()])
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].ClearField("attributes")
    spans[0].ClearField("name")
    one = spans[0].SerializeToString()
    body = repeated(message([]).SerializeToString(), one, 200_000)
    answer = await send(client, body)
    assert (answer.status, b"at most 37500 rows" in answer.body) == (413, True)
    assert (
        await client.metric("analytics_ingest_queue_rows") == await client.metric("analytics_ingest_queue_bytes") == 0
    )
    assert stored("SELECT count(*) FROM traces") == "0"


def repeated(_request: bytes, span: bytes, times: int) -> bytes:
    """One ResourceSpans of so many equal spans, written by hand."""
    spans = field(2, span) * times
    return field(1, field(2, spans))


def field(number: int, value: bytes) -> bytes:
    size, head = len(value), bytearray([number << 3 | 2])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(head) + bytes([size]) + value


async def test_metrics_are_answered_so_that_nobody_sends_them_again(client: Client) -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    metrics.add(name="a").sum.data_points.add()
    histogram = metrics.add(name="b").histogram
    histogram.data_points.add()
    histogram.data_points.add()
    answer = await send(client, request.SerializeToString(), path="/v1/metrics")
    said = ExportMetricsServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, said.rejected_data_points) == (200, 3)
    assert "metrics are not kept" in said.error_message
    document: Any = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [{}, {}]}}]}]}]}
    answer = await send(client, json.dumps(document).encode(), JSON, path="/api/v1/otlp/v1/metrics")
    assert (answer.status, answer.json["partialSuccess"]["rejectedDataPoints"]) == (200, "2")


@pytest.mark.parametrize("first", ["span", "logs"])
@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
async def test_content_of_log_records_joins_its_span(
    client: Client, stored: Callable[[str], str], first: str, media_type: str
) -> None:
    span = Span(ts=NOW)
    events: list[tuple[str, dict[str, Any]]] = [
        ("gen_ai.user.message", {"content": "How are you?"}),
        ("gen_ai.choice", {"index": 0, "message": {"content": "Fine."}}),
        ("something.else", {"content": "no"}),
    ]
    if media_type == PROTOBUF:
        request = ExportLogsServiceRequest()
        logs = request.resource_logs.add().scope_logs.add().log_records
        for name, body in events:
            logs.add(
                time_unix_nano=nanoseconds(NOW) + 5,
                event_name=name,
                body=typed(body),
                trace_id=bytes.fromhex(span.trace_id),
                span_id=bytes.fromhex(span.span_id),
            )
        sent = request.SerializeToString()
    else:
        records = [
            {
                "timeUnixNano": str(nanoseconds(NOW) + 5),
                "attributes": [{"key": "event.name", "value": {"stringValue": name}}],
                "body": {"kvlistValue": {"values": [in_pair(*pair) for pair in body.items()]}},
                "traceId": span.trace_id,
                "spanId": span.span_id,
            }
            for name, body in events
        ]
        sent = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    if first == "span":
        await send(client, encoded([span]))
    answer = await send(client, sent, media_type, path="/v1/logs")
    assert answer.status == 200
    if media_type == PROTOBUF:
        assert ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records == 1
    else:
        assert answer.json["partialSuccess"]["rejectedLogRecords"] == "1"
    if first == "logs":
        assert stored(SQL) == "1||"
        await send(client, encoded([span]))
    assert stored(SQL) == "1|1|0.0035"
    texts = stored("SELECT input_text, output_text FROM traces").split("|")
    assert json.loads(texts[0]) == [{"role": "user", "content": "How are you?"}]
    assert json.loads(texts[1]) == [{"role": "assistant", "index": 0, "message": {"content": "Fine."}}]


def in_pair(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"key": name, "value": {"kvlistValue": {"values": [in_pair(*pair) for pair in value.items()]}}}
    return {"key": name, "value": {"intValue": "0"} if value == 0 else {"stringValue": value}}


async def test_the_event_with_all_content_joins_its_span(client: Client, stored: Callable[[str], str]) -> None:
    span = Span(ts=NOW)
    request = ExportLogsServiceRequest()
    content = {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be short."}],
        "gen_ai.input.messages": [{"role": "user"}],
        "gen_ai.output.messages": [{"role": "assistant"}],
    }
    request.resource_logs.add().scope_logs.add().log_records.add(
        time_unix_nano=nanoseconds(NOW),
        event_name="gen_ai.client.inference.operation.details",
        attributes=pairs(content),
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
    )
    for body, path in ((encoded([span]), "/v1/traces"), (request.SerializeToString(), "/v1/logs")):
        assert (await send(client, body, path=path)).body == b""
    assert stored("SELECT input_text, output_text, is_request FROM traces") == (
        '[[{"type":"text","content":"Be short."}],[{"role":"user"}]]|[{"role":"assistant"}]|t'
    )


async def test_rows_are_seen_by_the_next_question(client: Client) -> None:
    """The cost of a span is in the sums as soon as its request is answered."""
    span = Span(ts=NOW - timedelta(minutes=5))
    await send(client, encoded([span], deployment__environment__name="production"))
    found = await client.get("/api/v1/costs/summary", from_=NOW - timedelta(hours=1), to=NOW + timedelta(hours=1))
    assert found.data["overview"]["total_cost"] == Decimal("0.0035")
    assert [one["name"] for one in found.data["by_environment"]] == ["production"]
