"""Responds with a stored file: itself, or the way to it in its storage."""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from aiohttp import hdrs, web

from analytics_service.contract.endpoint import Download
from analytics_service.contract.exports import StoredFile
from analytics_service.contract.parameters import P
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.errors import StorageError
from analytics_service.http.admitted import Admitted
from analytics_service.http.context import CONTEXT
from analytics_service.http.services import Services
from analytics_service.http.uncached import calling

LOCATE_SECONDS: Final = 5.0
"""Who signs an address by an identity asks for its credentials first."""

_log = structlog.get_logger(__name__)


async def respond(
    endpoint: Download[P], services: Services, request: web.Request, admitted: Admitted[P]
) -> web.StreamResponse:
    """200 or 206 with bytes of a file of ours, else 307 to an address of the storage that lives for minutes."""
    with request[CONTEXT].timed("db"):
        async with calling(services, request, admitted, readonly=True) as call:
            file = await endpoint.find(call)
    location = await _located(services, file)
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    if isinstance(location, str):
        return web.Response(status=307, headers={**headers, hdrs.LOCATION: location})
    headers[hdrs.CONTENT_DISPOSITION] = file.disposition
    headers[hdrs.CONTENT_TYPE] = file.media_type
    return web.FileResponse(location, headers=headers)


async def _located(services: Services, file: StoredFile) -> Path | str:
    """RequestError where the storage cannot be asked, or there is none."""
    cause = "there is no storage"
    if services.storage is not None:
        try:
            async with asyncio.timeout(LOCATE_SECONDS):
                return await services.storage.locate(file)
        except StorageError as error:
            cause = str(error)
        except TimeoutError:
            cause = f"nothing gave its address within {LOCATE_SECONDS:.0f} seconds"
    _log.error("a file cannot be fetched", cause=cause)
    raise RequestError(
        Problem.EXPORTS_UNAVAILABLE,
        "the storage of the file does not answer, or does not have it; repeat the request in a minute",
        headers={"Retry-After": "60"},
    )
