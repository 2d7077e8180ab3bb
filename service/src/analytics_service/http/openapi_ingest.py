"""What the OpenAPI document says of the routes that take rows: bodies, answers and errors of their forms."""

from collections.abc import Mapping
from typing import Any, Final

from analytics_service.contract.endpoint import Form, Receive
from analytics_service.http import openapi_examples, request_keys
from analytics_service.http.ingest.otlp_answers import Encoding
from analytics_service.http.ingest.rows import JSON, JSON_LINES

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_ROW: Final = {
    "type": "object",
    "description": "A span or a request, in the fields of `import`; `ts` is required",
    "additionalProperties": True,
}
_ACCEPTED: Final = {
    "type": "object",
    "required": ["status", "data", "meta"],
    "properties": {
        "status": {"const": "success"},
        "data": {
            "type": "object",
            "required": ["accepted", "known", "rejected", "errors"],
            "properties": {
                "accepted": {**_COUNT, "description": "Rows that are committed"},
                "known": {**_COUNT, "description": "Of these, rows of spans that were there before"},
                "rejected": _COUNT,
                "errors": {
                    "type": "array",
                    "description": "The first 100 of what was rejected, by position in the body",
                    "items": {
                        "type": "object",
                        "required": ["index", "detail"],
                        "properties": {"index": _COUNT, "field": _TEXT, "detail": _TEXT},
                    },
                },
            },
        },
        "meta": {
            "type": "object",
            "required": ["timestamp", "request_id"],
            "properties": {"timestamp": {**_TEXT, "format": "date-time"}, "request_id": _TEXT},
        },
    },
}
_EXPORTED: Final = {
    "type": "object",
    "properties": {"partialSuccess": {"type": "object", "properties": {"errorMessage": _TEXT}}},
}
_STATUS: Final = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": _TEXT},
}
_BINARY: Final = {"type": "string", "contentEncoding": "binary"}
_KEY: Final = request_keys.parameter("The same key within 24 hours has the same answer, and adds nothing")
STATUSES: Final = (401, 403, 408, 413, 415, 429, 500, 503)


def statuses(endpoint: Receive[Any]) -> tuple[int, ...]:
    """The statuses of errors that the route answers with."""
    return (*STATUSES, 422 if endpoint.form is Form.ROWS else 400)


def parameters(endpoint: Receive[Any]) -> list[dict[str, Any]]:
    return [dict(_KEY)] if endpoint.form is Form.ROWS else []


def body(endpoint: Receive[Any]) -> dict[str, Any]:
    if endpoint.form is Form.ROWS:
        rows = {"oneOf": [_ROW, {"type": "array", "minItems": 1, "items": _ROW}], "examples": [openapi_examples.ROW]}
        return _content({JSON: rows, JSON_LINES[0]: _TEXT})
    exported = {"type": "object", "examples": [openapi_examples.EXPORTED[endpoint.form]]}
    return _content({Encoding.PROTOBUF.value: _BINARY, Encoding.JSON.value: exported})


def answer(endpoint: Receive[Any]) -> dict[str, Any]:
    if endpoint.form is Form.ROWS:
        return {"description": "The rows are committed", **_media({JSON: _ACCEPTED})}
    return {
        "description": "What is not rejected is committed",
        **_media({Encoding.PROTOBUF.value: _BINARY, Encoding.JSON.value: _EXPORTED}),
    }


def error(description: str) -> dict[str, Any]:
    """Of OTLP, which has a form of its own for errors."""
    return {
        "description": description,
        **_media({Encoding.PROTOBUF.value: _BINARY, Encoding.JSON.value: _STATUS}),
    }


def _media(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"content": {media: {"schema": schema} for media, schema in schemas.items()}}


def _content(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"requestBody": {"required": True, **_media(schemas)}}
