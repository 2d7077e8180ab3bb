"""What is said to a client whose bytes are no HTTP request: a problem too, and nothing of ours or theirs in it.

The library would answer in plain text with the client's own bytes, and write them into the log.
"""

from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from analytics_service import problems
from analytics_service.http import numbers
from analytics_service.http.middleware import RESPONSE_HEADERS

_log = structlog.get_logger(__name__)


class _Handler(RequestHandler):
    __slots__ = ()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response was sent already")
        problem = problems.of_status(status)
        request_id = str(uuid4())
        _log.info("a request could not be read", request_id=request_id, status=status, error=type(exc).__name__)
        body = problems.body(problem, problem.value.title, instance="/", request_id=request_id)
        headers = {**RESPONSE_HEADERS, "X-Request-ID": request_id}
        response = web.Response(
            status=status,
            body=numbers.dumps(body | {"status": status}),
            content_type=problems.MEDIA_TYPE,
            headers=headers,
        )
        response.force_close()
        return response


class _Server(web.Server):
    @override
    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application whose connections are read by `_Handler`."""

    __slots__ = ()

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)  # noqa: SLF001 - there is no other way in
