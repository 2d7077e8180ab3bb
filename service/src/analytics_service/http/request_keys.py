"""The header Idempotency-Key, by which a request that is repeated changes nothing."""

import re
from typing import Any, Final

from aiohttp import web

from analytics_service.contract.problems import Problem, RequestError

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,256}")


def request_key(request: web.Request) -> str | None:
    """None where the request has none; RequestError where it cannot be used."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise RequestError(
            Problem.VALIDATION_ERROR,
            f"{IDEMPOTENCY_KEY} must have 1 to 256 visible characters of ASCII, as a UUID",
            field=IDEMPOTENCY_KEY,
        )
    return key


def parameter(meaning: str) -> dict[str, Any]:
    """The header, for the OpenAPI document."""
    return {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[\\x21-\\x7e]+$"},
    }
