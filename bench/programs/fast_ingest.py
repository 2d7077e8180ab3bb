"""OTLP into the table of spans as FastAPI's and asyncpg's documents would have it: token, decode, one executemany."""

import os
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import asyncpg
import jwt
import orjson
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SECRET = os.environ["JWT_SECRET"]
JSON = "application/json"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = (
    *("org_id", "trace_id", "span_id", "parent_span_id", "ts", "span_name", "service_name", "operation_type"),
    *("provider", "model", "prompt_tokens", "completion_tokens", "total_tokens", "duration_us", "user_id"),
    *("input_text", "output_text", "attributes"),
)
INSERT = f"""
INSERT INTO traces ({", ".join(COLUMNS)}) VALUES ({", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))})
ON CONFLICT DO NOTHING"""


@asynccontextmanager
async def connected(_application: FastAPI) -> AsyncIterator[dict[str, Any]]:
    session = {"jit": "off", "timezone": "UTC"}
    url = os.environ["DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=5, max_size=20, server_settings=session) as database:
        yield {"database": database}


application = FastAPI(lifespan=connected)


def claims(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict[str, Any]:
    try:
        return jwt.decode(given.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


@application.post("/v1/traces")
async def traces(request: Request, claims: Annotated[dict[str, Any], Depends(claims)]) -> Response:
    body, media_type = await request.body(), request.headers["Content-Type"]
    is_json = media_type == JSON
    read = of_json(orjson.loads(body)) if is_json else of_message(ExportTraceServiceRequest.FromString(body))
    rows = [(claims["org_id"], *each) for each in read]
    async with request.state.database.acquire() as connection, connection.transaction():
        await connection.executemany(INSERT, rows)
    return Response(b"{}" if is_json else b"", media_type=media_type)


def of_message(request: ExportTraceServiceRequest) -> Iterator[tuple[Any, ...]]:
    for part in request.resource_spans:
        service = of_pairs(part.resource.attributes).get("service.name")
        for scope in part.scope_spans:
            for span in scope.spans:
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or None)
                times = (span.start_time_unix_nano, span.end_time_unix_nano)
                yield row(ids, times, span.name, service, of_pairs(span.attributes))


def of_pairs(attributes: Iterable[Any]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def of_json(document: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for part in document["resourceSpans"]:
        service = of_json_pairs(part["resource"]["attributes"]).get("service.name")
        for scope in part["scopeSpans"]:
            for span in scope["spans"]:
                ids = (span["traceId"], span["spanId"], span.get("parentSpanId") or None)
                times = (int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
                yield row(ids, times, span["name"], service, of_json_pairs(span["attributes"]))


def of_json_pairs(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    values = ((each["key"], *each["value"].items()) for each in attributes)
    return {name: int(value) if kind == "intValue" else value for name, (kind, value) in values}


def row(
    ids: tuple[str, str, str | None], times: tuple[int, int], name: str, service: str | None, values: dict[str, Any]
) -> tuple[Any, ...]:
    """By COLUMNS after the first; what fills no column goes into attributes."""
    start, end = times
    prompt, completion = (values.pop(f"gen_ai.usage.{kind}_tokens", 0) for kind in ("input", "output"))
    return (
        *ids,
        EPOCH + timedelta(microseconds=start // 1000),
        name,
        service,
        values.pop("gen_ai.operation.name", ""),
        values.pop("gen_ai.provider.name", ""),
        values.pop("gen_ai.response.model", ""),
        prompt,
        completion,
        prompt + completion,
        (end - start) // 1000,
        values.pop("user.id", None),
        values.pop("gen_ai.input.messages", None),
        values.pop("gen_ai.output.messages", None),
        orjson.dumps(values).decode(),
    )


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    settings = uvicorn.Config(application, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(settings).run(sockets=[listening])


if __name__ == "__main__":
    main()
