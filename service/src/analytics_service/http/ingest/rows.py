"""Rows in the fields of `import`, or as gateways log them: an object, an array of objects, or JSON lines."""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final

import orjson
from aiohttp import web

from analytics_service.contract.endpoint import Receive
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.http import request_keys
from analytics_service.http.context import CONTEXT
from analytics_service.http.ingest.intake import Intake
from analytics_service.http.services import Services
from analytics_service.ingest.presets import PRESETS, recognize
from analytics_service.ingest.strings import load_json
from analytics_service.receiver.submission import Outcome, RequestKey
from analytics_service.units import decimals

JSON: Final = "application/json"
JSON_LINES: Final = ("application/x-ndjson", "application/jsonl", "application/jsonlines")
_MAX_ERRORS: Final = 100
_FIELD: Final = re.compile(r"([A-Za-z0-9_.]{1,60}): (.+)", re.DOTALL)


async def respond(endpoint: Receive[Any], services: Services, request: web.Request) -> web.Response:
    """200 with the numbers of rows once they are committed; 422 where there is not one that can be used."""
    assert services.receiver is not None  # noqa: S101 - else there is no route
    with services.receiver.budget.lease() as lease:
        try:
            intake = await Intake.admit(endpoint, services, request, lease, media_types=(JSON, *JSON_LINES))
            records = await intake.apart(partial(_records, request.content_type, intake.body))
            first = await intake.apart(lambda: next(records, None))
            await intake.read(chain([first], records), preset=_preset(first))
            request_key = _request_key(intake)
            if intake.rejected and not intake.rows:
                raise _nothing_usable(intake)
            outcome = await intake.store(request_key=request_key, counts=True)
        except RequestError as error:
            raise error.for_body() from None
    accepted = intake.records - len(intake.rejected)
    if outcome.answer is None:
        services.metrics.observe_received("rows", accepted=accepted, rejected=intake.rejected)
    data = outcome.answer or _data(intake, outcome)
    meta = {"timestamp": intake.now, "request_id": request[CONTEXT].request_id}
    body = b'{"status":"success","data":' + data + b',"meta":' + decimals.dumps(meta) + b"}"
    headers = {"Cache-Control": "no-store"}
    if outcome.answer is not None:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(body=body, content_type=JSON, charset="utf-8", headers=headers)


def _records(media_type: str, body: bytes) -> Iterator[object]:
    """The objects of a body, and in the place of a line that is no JSON the reason; RequestError where it is none."""
    if media_type in JSON_LINES and body.strip():
        return (_line(line) for line in io.BytesIO(body) if line.strip())
    value = _line(body)
    if isinstance(value, ValueError):
        raise RequestError(Problem.VALIDATION_ERROR, f"the body {value}")
    if not isinstance(value, list | dict) or not value:
        raise RequestError(Problem.VALIDATION_ERROR, "the body must be a JSON object, or an array of objects")
    return iter(value if isinstance(value, list) else [value])


def _preset(first: object) -> str | None:
    """The system whose logger sends records of its own, as LiteLLM's: `import` knows them by the same names."""
    name = recognize(frozenset(first)) if isinstance(first, dict) else None
    return None if name is None or PRESETS[name].elements is not None else name


def _line(text: bytes) -> object:
    try:
        return load_json(text.decode("utf-8-sig", errors="surrogateescape"))
    except ValueError as error:
        return error


def _request_key(intake: Intake) -> RequestKey | None:
    """None where the request has none; RequestError where it cannot be used."""
    key = request_keys.request_key(intake.request)
    if key is None:
        return None
    described = "\0".join((intake.request.content_type, *sorted(intake.caller.projects)))
    digest = hashlib.sha256(described.encode() + b"\0\0" + intake.body).digest()
    return RequestKey(key, digest, partial(_data, intake))


def _data(intake: Intake, outcome: Outcome) -> bytes:
    refused = {intake.positions[number]: reason for number, reason in outcome.refused.items()}
    rejected = sorted({**intake.rejected, **refused}.items())
    return orjson.dumps(
        {
            "accepted": intake.records - len(rejected),
            "known": outcome.known,
            "rejected": len(rejected),
            "errors": [_error(number, reason) for number, reason in rejected[:_MAX_ERRORS]],
        }
    )


def _error(index: int, reason: str) -> Mapping[str, object]:
    named = _FIELD.fullmatch(reason)
    return (
        {"index": index, "detail": reason} if named is None else {"index": index, "field": named[1], "detail": named[2]}
    )


def _nothing_usable(intake: Intake) -> RequestError:
    number, reason = intake.listed()[0]
    error = _error(number, reason)
    others = f"; and {len(intake.rejected) - 1} more" if len(intake.rejected) > 1 else ""
    field = error.get("field")
    return RequestError(
        Problem.VALIDATION_ERROR,
        f"no row can be used: row {number}: {reason}{others}",
        field=None if field is None else f"{number}.{field}",
    )
