"""The parts of the OpenAPI document that are the same for every endpoint. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from analytics_service.rollups.incomplete import IncompleteReason
from analytics_service.rollups.levels import Level

SECURITY_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token, or an API key",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "For clients that know nothing else: an API key as the password, or as the user name",
    },
}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_BOOLEAN: Final = {"type": "boolean"}
_PROBLEM: Final = _object(
    {
        **dict.fromkeys(("type", "title", "detail", "instance", "error_code", "category", "request_id"), _TEXT),
        **dict.fromkeys(("status", "code"), _INTEGER),
    },
    {"field": _TEXT},
)
_MOMENT: Final = {"type": "string", "format": "date-time"}
_REASON: Final = {"oneOf": [{"const": reason.value, "description": reason.meaning} for reason in IncompleteReason]}
_REQUEST_META: Final = _object(
    {
        "timestamp": _MOMENT,
        "request_id": _TEXT,
        "execution_time_ms": {"type": "number"},
        "cached": _BOOLEAN,
        "version": _TEXT,
    }
)
_META: Final = _object(
    {
        **_REQUEST_META["properties"],
        "source": {"enum": [level.value for level in Level]},
        "watermark": {"type": ["string", "null"], "format": "date-time"},
        "complete": {"type": "boolean", "description": "Whether `incomplete` is empty"},
        "incomplete": {
            "type": "array",
            "description": "Stretches of the range that the answer lacks, oldest first; its figures are of the rest",
            "items": _object({"from": _MOMENT, "to": _MOMENT, "reason": _REASON}),
        },
    },
    {
        "coverage": {
            **_object({**dict.fromkeys(("unpriced_requests", "unpriced_tokens"), _INTEGER), "lower_bound": _BOOLEAN}),
            "description": "Of answers about costs: requests without a cost, or with a lower bound of one, and all "
            "their tokens; where there are any, costs are lower bounds",
        },
        "repricing": {
            **_object({"plan": _TEXT, "done": _INTEGER, "of": _INTEGER}),
            "description": "Of answers with costs, while a plan changes prices of their range: its hash, and how many "
            "of its hours in the range have their new price. Each hour has the old or the new one",
        },
    },
)
_BYTE_LIMIT: Final = {
    **_INTEGER,
    "description": "Present where the page has fewer items than `limit` since an answer has at most so many bytes; "
    "an answer to its `cursor` goes on",
}
_PAGINATION: Final = _object(
    {"has_more": _BOOLEAN, "limit": _INTEGER},
    {"cursor": _TEXT, "total": _INTEGER, "byte_limit": _BYTE_LIMIT},
)
SCHEMAS: Final = {"Problem": _PROBLEM, "Meta": _META, "RequestMeta": _REQUEST_META, "Pagination": _PAGINATION}
