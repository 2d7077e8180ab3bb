"""Bodies of requests: JSON objects, bounded in bytes and in time."""

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web

from analytics_service.contract.problems import Problem, RequestError

MAX_BODY_BYTES: Final = 1024 * 1024
"""After decompression."""
READ_TIMEOUT_SECONDS: Final = 15.0
"""Timeout of receiving a body, after its headers."""
_MEDIA_TYPE: Final = "application/json"


async def read(request: web.Request) -> dict[str, Any]:
    """Returns the members of the body; RequestError where it is no JSON object."""
    if request.content_type != _MEDIA_TYPE or (request.charset or "utf-8").lower() != "utf-8":
        raise RequestError(Problem.UNSUPPORTED_MEDIA_TYPE, f"send the body as {_MEDIA_TYPE}, in UTF-8")
    raw = await _read_raw(request, READ_TIMEOUT_SECONDS)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            Problem.VALIDATION_ERROR, f"the body is not JSON: see line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(value, dict):
        raise RequestError(Problem.VALIDATION_ERROR, "the body must be a JSON object")
    return value


async def _read_raw(request: web.Request, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError:
        raise RequestError(
            Problem.REQUEST_TIMEOUT, f"the body did not arrive within {seconds:g} s of its headers"
        ) from None
    except web.HTTPRequestEntityTooLarge:
        raise RequestError(Problem.PAYLOAD_TOO_LARGE, f"the body may have at most {MAX_BODY_BYTES} bytes") from None
    except web.RequestPayloadError:
        raise RequestError(
            Problem.VALIDATION_ERROR, "the body is not encoded as its headers say; send it again"
        ) from None
