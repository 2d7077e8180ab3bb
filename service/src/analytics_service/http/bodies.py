"""Bodies of requests, bounded in bytes and in time; of most routes they are JSON objects."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from analytics_service.contract.problems import Problem, RequestError
from analytics_service.http.content_encoding import DECODERS, IDENTITY, NotEncoded, TooLong, decoded

MAX_BODY_BYTES: Final = 1024 * 1024
"""After decompression."""
READ_TIMEOUT_SECONDS: Final = 15.0
"""Timeout of receiving a body, after its headers."""
_MEDIA_TYPE: Final = "application/json"


async def read(request: web.Request) -> dict[str, Any]:
    """Returns the members of the body; RequestError where it is no JSON object."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise RequestError(Problem.VALIDATION_ERROR, "the body must be a JSON object")
    return value


async def read_json(request: web.Request) -> object:
    """Returns the value that the body is; RequestError where it is no JSON."""
    if request.content_type != _MEDIA_TYPE or (request.charset or "utf-8").lower() != "utf-8":
        raise RequestError(Problem.UNSUPPORTED_MEDIA_TYPE, f"send the body as {_MEDIA_TYPE}, in UTF-8")
    raw = await read_bytes(request)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            Problem.VALIDATION_ERROR, f"the body is not JSON: see line {error.lineno}, column {error.colno}"
        ) from None


async def read_bytes(
    request: web.Request,
    *,
    limit: int = MAX_BODY_BYTES,
    seconds: float = READ_TIMEOUT_SECONDS,
    took: Callable[[int], None] = lambda _size: None,
) -> bytes:
    """The body as it was before it was encoded. `took` gets the number of bytes of each part that is held.

    RequestError where it has more than `limit` bytes, before or after it was encoded; takes too long; or is not encoded
    as its header says, or in a way that is not understood.
    """
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, IDENTITY).strip().lower()
    if encoding != IDENTITY and encoding not in DECODERS:
        raise RequestError(
            Problem.UNSUPPORTED_MEDIA_TYPE,
            f"the Content-Encoding is not one of {', '.join(DECODERS)}",
            headers={hdrs.ACCEPT_ENCODING: ", ".join(DECODERS)},
        )
    try:
        raw = await _received(request, limit, seconds, took)
        if encoding == IDENTITY:
            return raw
        return await decoded(raw, encoding, limit=limit, took=took)
    except TooLong:
        raise RequestError(Problem.PAYLOAD_TOO_LARGE, f"the body may have at most {limit} bytes") from None
    except NotEncoded:
        raise _not_encoded() from None


async def _received(request: web.Request, limit: int, seconds: float, took: Callable[[int], None]) -> bytes:
    """The bytes of the body as they are sent."""
    if (request.content_length or 0) > limit:
        raise TooLong
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.content.iter_any():
                size += len(part)
                if size > limit:
                    raise TooLong
                took(len(part))
                parts.append(part)
    except TimeoutError:
        raise RequestError(
            Problem.REQUEST_TIMEOUT, f"the body did not arrive within {seconds:g} s of its headers"
        ) from None
    except web.RequestPayloadError:
        raise _not_encoded() from None
    return b"".join(parts)


def _not_encoded() -> RequestError:
    return RequestError(Problem.VALIDATION_ERROR, "the body is not encoded as its headers say; send it again")
