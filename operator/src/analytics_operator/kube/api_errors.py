"""Maps unsuccessful answers of the API server to the error tree."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from analytics_operator import errors


def error(status: int, body: bytes, *, retry_after: str | None = None) -> errors.ApiError:
    """The error of the tree that stands for the answer."""
    message = _message(body) or f"HTTP {status}"
    return _kind(status, message)(message, retry_after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Seconds, or a date of HTTP; None where it is neither."""
    if not retry_after:
        return None
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return float(retry_after) if retry_after.isdigit() else None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)  # -0000: UTC, of an unknown place
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def _kind(status: int, message: str) -> type[errors.ApiError]:
    refusal = errors.refusal(message)
    if refusal is errors.AdmissionRefused:  # webhooks answer with any status
        return refusal
    if status == 500 and "failed to create typed patch object" in message:
        return errors.Invalid  # an apply with a field that the kind has not, which is no failure of the server
    if status == 403:
        return refusal or errors.Forbidden
    match status:
        case 404:
            return errors.NotFound
        case 409:
            return errors.Conflict
        case 400 | 405 | 413 | 415 | 422:
            return errors.Invalid
        case _:
            return errors.Unavailable  # 401 too: the token is read again


def _message(body: bytes) -> str | None:
    try:
        message = json.loads(body).get("message")
    except (ValueError, AttributeError):
        return None
    return str(message) if message else None
