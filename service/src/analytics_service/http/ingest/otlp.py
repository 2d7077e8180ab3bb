"""OTLP/HTTP: spans, the log records that carry content of GenAI calls, and metrics, which are not kept."""

import asyncio
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import structlog
from aiohttp import hdrs, web

from analytics_service.contract.endpoint import Form, Receive
from analytics_service.contract.problems import Problem, RequestError, from_database_error
from analytics_service.errors import DatabaseError
from analytics_service.http.ingest.intake import Intake
from analytics_service.http.ingest.otlp_answers import Encoding, Signal, exported, reasons, status
from analytics_service.http.services import Services
from analytics_service.ingest.otlp import logs, messages
from analytics_service.ingest.otlp.values import Empty
from analytics_service.ingest.received import OTLP

_SIGNALS: Final[Mapping[Form, Signal]] = MappingProxyType(
    {Form.OTLP_TRACES: Signal.SPANS, Form.OTLP_LOGS: Signal.LOGS, Form.OTLP_METRICS: Signal.POINTS}
)
_MEDIA_TYPES: Final[Mapping[str, Encoding]] = MappingProxyType(
    {**{each.value: each for each in Encoding}, "application/protobuf": Encoding.PROTOBUF}
)
_METRICS: Final = "metrics are not kept: leave out their exporter, as by OTEL_METRICS_EXPORTER=none"

_log = structlog.get_logger(__name__)


async def respond(endpoint: Receive[Any], services: Services, request: web.Request) -> web.Response:
    """Every failure has a body in the request's encoding, and a status that says whether to send it again."""
    encoding = _MEDIA_TYPES.get(request.content_type, Encoding.JSON)
    try:
        return await _answered(encoding, endpoint, services, request)
    except DatabaseError as error:
        refusal = from_database_error(error)
    except RequestError as error:
        refusal = error
    except Exception:  # noqa: BLE001 - a defect has an answer of OTLP, too
        _log.exception("a request failed unexpectedly", route=endpoint.path)
        refusal = RequestError(Problem.INTERNAL_ERROR, "the log has the cause under this request id")
    services.metrics.problems.labels(refusal.problem.name).inc()
    return _failed(refusal, encoding)


async def _answered(
    encoding: Encoding, endpoint: Receive[Any], services: Services, request: web.Request
) -> web.Response:
    assert services.receiver is not None  # noqa: S101 - else there is no route
    signal, is_json = _SIGNALS[endpoint.form], encoding is Encoding.JSON
    with services.receiver.budget.lease() as lease:
        intake = await Intake.admit(endpoint, services, request, lease, media_types=_MEDIA_TYPES)
        try:
            match endpoint.form:
                case Form.OTLP_TRACES:
                    rejected, message = await _spans(intake, services, is_json=is_json)
                case Form.OTLP_LOGS:
                    rejected, message = await _logs(intake, services, is_json=is_json)
                case _:
                    count = partial(messages.count_points, intake.body, is_json=is_json)
                    rejected, message = await intake.apart(count), _METRICS
        except messages.UnreadableBody as error:
            raise RequestError(Problem.VALIDATION_ERROR, str(error)) from None
        body = exported(signal, encoding, rejected=rejected, message=message)
    return web.Response(body=body, content_type=encoding.value)


async def _spans(intake: Intake, services: Services, *, is_json: bool) -> tuple[int, str]:
    """How many spans were rejected, and which and why."""
    records = await intake.apart(partial(messages.spans, intake.body, is_json=is_json))
    await intake.read(records, preset=OTLP)
    await intake.store()
    services.metrics.observe_received("otlp", accepted=intake.records - len(intake.rejected), rejected=intake.rejected)
    if not intake.rejected:
        return 0, ""
    _log.info("spans were rejected", rejected=len(intake.rejected), spans=intake.records)
    return len(intake.rejected), reasons("spans", intake.records, intake.listed())


async def _logs(intake: Intake, services: Services, *, is_json: bool) -> tuple[int, str]:
    """As `_spans`, of log records; a span has a row, of however many of them."""
    events: list[logs.Event] = []
    rejected: list[tuple[int, str]] = []
    total = 0
    remaining = await intake.apart(partial(messages.events, intake.body, is_json=is_json))
    while turn := await intake.turn(remaining):
        for each in turn:
            if isinstance(each, Empty):
                continue
            if isinstance(each, ValueError):
                rejected.append((total, str(each)))
            else:
                events.append(each)
            total += 1
        await asyncio.sleep(0)
    of_spans = logs.records(events)
    await intake.read([record for record, _ in of_spans], preset=OTLP)
    await intake.store()
    services.metrics.observe_received("logs", accepted=len(intake.rows), rejected=intake.rejected)
    count = len(rejected) + sum(of_spans[number][1] for number in intake.rejected)
    named = [*rejected, *intake.listed()]
    return count, reasons("log records", total, named) if count else ""


def _failed(error: RequestError, encoding: Encoding) -> web.Response:
    response = web.Response(
        status=error.status,
        body=status(error.status, error.detail, encoding),
        headers={**error.headers, hdrs.CACHE_CONTROL: "no-store"},
        content_type=encoding.value,
    )
    if error.status in {408, 413}:  # the rest of the body is not read
        response.force_close()
    return response
