"""Handlers of the endpoints: every request is admitted the same way, then the endpoint's kind responds."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from aiohttp import web

from analytics_service.contract import parameters
from analytics_service.contract.endpoint import Command, Download, Endpoint, Read, Receive, Uncached
from analytics_service.contract.parameters import P
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.http import bodies, downloads, reads, uncached
from analytics_service.http.admission import authorize, weigh
from analytics_service.http.admitted import Admitted
from analytics_service.http.context import CONTEXT
from analytics_service.http.ingest.respond import respond as receive
from analytics_service.http.services import Services

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Respond = Callable[[web.Request, Admitted[Any]], Awaitable[web.StreamResponse]]


def handler(endpoint: Endpoint[Any], services: Services) -> Handler:
    """The handler of the endpoint's route."""
    if isinstance(endpoint, Receive):
        return partial(receive, endpoint, services)
    respond = _respond(endpoint, services)

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await respond(request, await admit(endpoint, services, request))
        except RequestError as error:
            if not endpoint.method.has_body:
                raise
            raise error.for_body() from None

    return handle


def _respond(endpoint: Endpoint[Any], services: Services) -> Respond:
    """Returns the responder of the endpoint's kind; TypeError where the kind has none."""
    if isinstance(endpoint, Read):
        return partial(reads.respond, endpoint, services)
    if isinstance(endpoint, Uncached):
        return partial(uncached.respond, endpoint, services)
    if isinstance(endpoint, Download):
        return partial(downloads.respond, endpoint, services)
    raise TypeError(f"{endpoint.name}: a {type(endpoint).__name__} has no handler")


async def admit(endpoint: Endpoint[P], services: Services, request: web.Request) -> Admitted[P]:
    """Authenticates, permits, limits and parses, in this order; RequestError at the first that fails."""
    context, now = request[CONTEXT], datetime.now(UTC)
    with context.timed("auth"):
        verified = await authorize(endpoint, services, request, now)
        params = await _parsed(endpoint, request, now)
        await weigh(services, context, verified.principal, endpoint.weigh(params), now)
        params = services.cursors.resume(verified.principal, endpoint.path, params)
    return Admitted(principal=verified.principal, expires=verified.expires, params=params, now=now)


async def _parsed(endpoint: Endpoint[P], request: web.Request, now: datetime) -> P:
    array: type[P] | None = endpoint.array if isinstance(endpoint, Command) else None
    if array is None:
        return parameters.parse(endpoint.params, await _given(endpoint, request), now=now)
    _refuse_query(request)
    match await bodies.read_json(request):
        case list(items):
            return parameters.parse(array, [("items", items)], now=now)
        case dict(members):
            return parameters.parse(endpoint.params, members.items(), now=now)
        case _:
            raise RequestError(Problem.VALIDATION_ERROR, "the body must be a JSON object, or an array of objects")


async def _given(endpoint: Endpoint[P], request: web.Request) -> Iterable[tuple[str, object]]:
    """The parameters as they were sent."""
    if not endpoint.method.has_body:
        return chain(request.match_info.items(), request.query.items())
    _refuse_query(request)
    if not request.body_exists and not endpoint.needs_body:
        return request.match_info.items()
    return chain(request.match_info.items(), (await bodies.read(request)).items())


def _refuse_query(request: web.Request) -> None:
    for name in request.query:
        field = parameters.printable(name)
        raise RequestError(Problem.UNKNOWN_PARAMETER, f"{field} must be a member of the body", field=field)
