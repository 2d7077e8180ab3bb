"""Bodies that are meant to do harm, or that no exporter means to send, harm neither the service nor other requests."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard

from analytics_service.http.content_encoding import NotEncoded, decoded
from tests.support.keys import created
from tests.support.otlp import JSON, PROTOBUF, Span, encoded, send
from tests.support.service import Client

NOW = datetime.now(UTC)


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def with_attributes(**attributes: Any) -> bytes:
    body = json.loads(encoded([Span(ts=NOW)], JSON))
    (span,) = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span["attributes"] += [{"key": name, "value": {"stringValue": value}} for name, value in attributes.items()]
    return json.dumps(body).encode()


@pytest.mark.parametrize(("levels", "rejected"), [(62, 0), (63, 1), (250, 1), (900, 1)])
async def test_what_is_nested_too_deep_to_be_merged_is_rejected(
    client: Client, stored: Callable[[str], str], levels: int, rejected: int
) -> None:
    """Or every request with its span would fail all those that are written together with it."""
    key = await created(client, scopes=["traces:write"], content={"mode": "keep", "redact": ["email"]})
    for token, more in ((client.token, {}), (client.token, {"more": "x"}), (key["secret"], {"other": "y"})):
        answer = await send(client, with_attributes(deep=nested(levels), **more), JSON, token=token)
        assert (answer.status, answer.json.get("partialSuccess", {}).get("rejectedSpans", "0")) == (200, str(rejected))
    assert stored("SELECT count(*) FROM traces") == str(1 - rejected)


@pytest.mark.parametrize("name", [b"\\ud800", b"\xff"])
async def test_a_name_that_is_no_text_is_a_reason(client: Client, stored: Callable[[str], str], name: bytes) -> None:
    good = b'{"ts": "' + NOW.isoformat().encode() + b'", "model": "m"}'
    bad = b'{"ts": "' + NOW.isoformat().encode() + b'", "' + name + b'": 1}'
    for headers in ({}, {"Idempotency_Key": "k"}):
        answer = await send(client, b"[" + good + b"," + bad + b"]", JSON, path="/api/v1/traces", **headers)
        assert (answer.data["accepted"], answer.data["rejected"]) == (1, 1)
        assert "\ufffd: is unknown" in answer.data["errors"][0]["detail"]
    assert (await send(client, bad, JSON, path="/api/v1/traces")).status == 422
    assert stored("SELECT count(*) FROM traces") == "1"


async def test_a_metric_that_is_no_object_cannot_be_read(client: Client) -> None:
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [5]}]}]}
    assert (await send(client, json.dumps(body).encode(), JSON, path="/v1/metrics")).status == 400


async def test_log_records_that_are_not_kept_count_too(client: Client) -> None:
    """Or each of the millions that fit into a body would be remembered with its reason."""
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 50_000 + b"{}]}]}]}"
    answer = await send(client, gzip.compress(body), JSON, path="/v1/logs", Content_Encoding="gzip")
    assert answer.status == 413
    assert await client.metric("analytics_ingest_queue_rows") == 0


@pytest.mark.parametrize(
    ("path", "media_type", "body", "status"),
    [
        pytest.param("/v1/traces", JSON, b'{"resourceSpans":[%s]}', 413, id="resources of spans"),
        pytest.param("/v1/traces", JSON, b'{"resourceSpans":[{"scopeSpans":[%s]}]}', 413, id="scopes of spans"),
        pytest.param("/v1/logs", JSON, b'{"resourceLogs":[%s]}', 413, id="resources of logs"),
        pytest.param("/v1/logs", JSON, b'{"resourceLogs":[{"scopeLogs":[%s]}]}', 413, id="scopes of logs"),
        pytest.param("/v1/metrics", JSON, b'{"resourceMetrics":[%s]}', 400, id="resources of metrics"),
        pytest.param("/v1/metrics", JSON, b'{"resourceMetrics":[{"scopeMetrics":[%s]}]}', 400, id="scopes of metrics"),
        pytest.param("/v1/traces", PROTOBUF, b"\n\0", 413, id="messages of spans"),
        pytest.param("/v1/logs", PROTOBUF, b"\n\0", 413, id="messages of logs"),
        pytest.param("/v1/metrics", PROTOBUF, b"\n\0", 400, id="messages of metrics"),
    ],
)
async def test_a_body_without_records_is_bounded_and_lets_others_in(
    client: Client, path: str, media_type: str, body: bytes, status: int
) -> None:
    """Lists without records take as long as records do: each counts as one."""
    repeated = body * 1_000_000 if media_type == PROTOBUF else body % (b"{}," * 1_000_000 + b"{}")
    long = asyncio.create_task(send(client, gzip.compress(repeated), media_type, path=path, Content_Encoding="gzip"))
    while not long.done():
        assert (await client.request("GET", "/health/live")).status == 200
    assert (await long).status == status
    assert await client.metric("analytics_ingest_queue_rows") == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/traces", {"resourceSpans": [{}, {"scopeSpans": [{}, {"spans": []}]}]}),
        ("/v1/logs", {"resourceLogs": [{}, {"scopeLogs": [{}, {"logRecords": []}]}]}),
        ("/v1/metrics", {"resourceMetrics": [{}, {"scopeMetrics": [{}, {"metrics": []}, {"metrics": [{}]}]}]}),
    ],
)
async def test_lists_without_records_are_taken(client: Client, path: str, body: Any) -> None:
    for message, media_type in ((json.dumps(body).encode(), JSON), (b"\n\0\n\2\x12\0", PROTOBUF)):
        answer = await send(client, message, media_type, path=path)
        assert (answer.status, answer.body) == (200, b"{}" if media_type == JSON else b"")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
async def test_members_are_one_body_and_bounded_in_number(encoding: str, size: int) -> None:
    encode: Any = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    text = (json.dumps([*range(100_000)]).encode() * 6)[:size]
    took: list[int] = []
    for plain in (text, b"x" * size):
        for count in (1, 3):
            took.clear()
            body = encode(plain) * count
            assert await decoded(body, encoding, limit=10**7, took=took.append) == plain * count
            assert sum(took) == size * count
            if len(body) < 1_000_000 and size:
                with pytest.raises(NotEncoded):
                    await decoded(body[:-1], encoding, limit=10**7, took=took.append)
    with pytest.raises(NotEncoded):
        await decoded(encode(b"") * 2_000, encoding, limit=10**7, took=took.append)


async def test_a_body_counts_while_it_is_decoded() -> None:
    """Or as many as fit compressed would be held at once, each as long as it may be."""

    class FullError(Exception):
        pass

    took: list[int] = []

    def take(count: int) -> None:
        took.append(count)
        if sum(took) > 200_000:
            raise FullError

    with pytest.raises(FullError):
        await decoded(gzip.compress(b" " * 3_000_000), "gzip", limit=10**7, took=take)
    assert sum(took) < 300_000
