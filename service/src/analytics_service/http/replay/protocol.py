"""Connections: where answers are given again, and what is said to a client whose bytes are no HTTP request.

The library would answer those in plain text with the client's own bytes, and write them into the log.
"""

import asyncio
import socket
from typing import Any, Final
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from typing_extensions import override

from analytics_service.contract import problems
from analytics_service.http.middleware import RESPONSE_HEADERS
from analytics_service.http.replay.replays import REPLAYS, Replays, is_one_request
from analytics_service.units import decimals

SLOWEST_READ_SECONDS: Final = 60.0
"""What a client may take to read what was sent to it."""
SLOWEST_HEAD_SECONDS: Final = 15.0
"""What a request may take, at least, from its first byte to the end of its headers."""

_log = structlog.get_logger(__name__)


class _Handler(RequestHandler):
    """Answers from `Replays` while the parser stands between two requests, which the bytes alone do not tell.

    It does as long as whatever came was one whole request without a body, by its bytes and by what the parser made of
    it. A connection on which anything else came once is read by the parser for good.
    """

    __slots__ = ("_begun", "_between", "_ends", "_open", "_replays", "_slowest_head", "_slowest_read", "raw")

    def __init__(
        self,
        manager: web.Server,
        replays: Replays | None,
        *,
        slowest_read: float = SLOWEST_READ_SECONDS,
        slowest_head: float = SLOWEST_HEAD_SECONDS,
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._slowest_head = slowest_head
        self._begun = False
        self._slowest_read = slowest_read
        self._replays = replays
        self._between = replays is not None
        self._open = 0
        """Requests that were read and are not answered to their end."""
        self._ends = False
        """The last answer closes the connection."""
        self.raw: bytes | None = None
        """The bytes of the request that is being answered, where they are known to be its own."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            # what fits into the buffers is nobody's to wait for: the kernel ends a connection that does not take it
            milliseconds = int(self._slowest_read * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    @override
    def data_received(self, data: bytes) -> None:
        idle = self._open == 0
        if idle and self._between and self._again(data):
            return
        before = len(self._messages)
        super().data_received(data)
        read = len(self._messages) - before
        self._open += read
        if idle:
            self._note_begun(begun=read == 0)
        if self._between:
            self._between = is_one_request(data) and read == 1 and self._messages[-1][1] is EMPTY_PAYLOAD
        self.raw = data if idle and self._between else None

    @override
    async def _handle_request(self, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        """Counts, since a quick client sends its next request before `start` waits for it."""
        try:
            response, reset = await super()._handle_request(*arguments)
            self._ends = reset or not response.keep_alive
        finally:
            self._open -= 1
        return response, reset

    def _note_begun(self, *, begun: bool) -> None:
        if begun and not self._begun:
            latest = self._loop.time() + self._slowest_head
            self._next_keepalive_close_time = max(self._next_keepalive_close_time, latest)
        self._begun = begun

    @override
    def _process_keepalive(self) -> None:
        """Says why it closes a connection on which a request was begun and not ended."""
        waiter, late = self._waiter, self._loop.time() >= self._next_keepalive_close_time
        if self._begun and late and self._keepalive and waiter is not None and not waiter.done():
            self._begun = False
            self._messages.append((_ErrInfo(status=408, exc=TimeoutError(), message=""), EMPTY_PAYLOAD))
            self._open += 1
            waiter.set_result(None)
        else:
            super()._process_keepalive()

    @override
    async def _drain_helper(self) -> None:
        """Waits until the client has read; it is cut off where that takes too long, since its answer takes room."""
        try:
            async with asyncio.timeout(self._slowest_read):
                await super()._drain_helper()
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()
            raise ConnectionResetError("the client reads too slowly") from None

    def _again(self, data: bytes) -> bool:
        if self.transport is None or self._replays is None or self._paused:
            return False
        if self._ends or self._close or self._force_close:
            return False
        answer = self._replays.answer(data)
        if answer is None:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self.transport.write(answer)
        return True

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
        told = problems.from_http_status(status)
        request_id = str(uuid4())
        _log.info("a request could not be read", request_id=request_id, status=status, error=type(exc).__name__)
        body = problems.body(told, instance="/", request_id=request_id)
        headers = {**RESPONSE_HEADERS, "X-Request-ID": request_id}
        response = web.Response(
            status=status,
            body=decimals.dumps(body),
            content_type=problems.MEDIA_TYPE,
            headers=headers,
        )
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(self, *arguments: Any, replays: Replays | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._replays = replays

    @override
    def __call__(self) -> RequestHandler:
        return _Handler(self, self._replays, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application whose connections are read by `_Handler`."""

    __slots__ = ()

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            replays=self.app.get(REPLAYS),
            loop=made._loop,  # noqa: SLF001 - there is no other way in
            **made._kwargs,  # noqa: SLF001
        )
