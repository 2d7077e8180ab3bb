"""Responds to a Receive, by the form of its body."""

from typing import Any

from aiohttp import web

from analytics_service.contract.endpoint import Form, Receive
from analytics_service.http.ingest import otlp, rows
from analytics_service.http.services import Services


async def respond(endpoint: Receive[Any], services: Services, request: web.Request) -> web.StreamResponse:
    """The handler of the endpoint's route."""
    if endpoint.form is Form.ROWS:
        return await rows.respond(endpoint, services, request)
    return await otlp.respond(endpoint, services, request)
