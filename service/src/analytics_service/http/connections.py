"""Connections of clients: how long each may take, and how long their requests' lines may be.

The library's own timer for idle connections is replaced, since it closes one in the middle of a request's head without
an answer.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from typing_extensions import override

from analytics_service.http import refusals

AIOHTTP_INTERNALS: Final = (
    "_request_count",
    *("close", "connection_lost", "connection_made", "data_received", "finish_response", "force_close"),
    *("handle_error", "pause_writing", "resume_writing", "shutdown", "transport"),
)
"""Names of web.RequestHandler that this module uses beyond its documentation. A test says which of them is gone."""

_DISABLED_SECONDS: Final = 365 * 24 * 3600.0
"""For the library's own timer of idle connections, which has no value that stands for none."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Timeouts after which a connection is closed, in seconds."""

    idle: float = 75.0
    """From one answer to the end of the next request's head: longer than proxies keep connections that they reuse."""
    head: float = 15.0
    """From the first byte of a request to the end of its head; it extends `idle`, and never shortens it."""
    send: float = 60.0
    """From an answer that does not fit into the buffers until the client has read it."""


TIMEOUTS: Final = Timeouts()


class ConnectionHandler(web.RequestHandler):
    """Reads the requests of one connection, and closes it when the client exceeds one of its timeouts."""

    __slots__ = (
        *("_answered", "_clock", "_deadline", "_head_begun", "_idle_timer", "_send_timer", "_stalled", "_timeouts"),
        "closing",
    )

    def __init__(self, manager: web.Server, *, timeouts: Timeouts = TIMEOUTS) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # its documentation allows None; the middleware logs requests
            keepalive_timeout=_DISABLED_SECONDS,
            auto_decompress=False,  # http/bodies.py does it, with a bound of its own for each route
            max_line_size=refusals.MAX_URL_BYTES,
            max_field_size=refusals.MAX_HEADER_BYTES,
            max_headers=refusals.MAX_HEADERS,
        )
        self._timeouts = timeouts
        self._clock = loop.time
        self._deadline = 0.0
        """When the connection is closed unless a request is being answered by then."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._head_begun = False
        """A part of a request's head was received, and not its end."""
        self._answered = 0
        self._stalled = False
        """The client was cut off because it did not read."""
        self.closing = False
        """No further request of this connection is answered."""

    @property
    def idle(self) -> bool:
        """Whether every request that the parser has read is answered to its end.

        Counted, rather than taken from whether the library waits: it begins to wait a turn of the loop after the
        answer went out, and a quick client has sent its next request by then.
        """
        return self._request_count == self._answered

    def extend_idle(self) -> None:
        """Starts the idle timeout from now."""
        self._deadline = self._clock() + self._timeouts.idle  # the timer reads it when it fires: cheaper than a new one

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.extend_idle()
        self._idle_timer = asyncio.get_running_loop().call_at(self._deadline, self._expire)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            # an answer that fits into the buffers is waited for by nobody here: the kernel ends such a connection
            milliseconds = int(self._timeouts.send * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._idle_timer, self._send_timer):
            if timer is not None:
                timer.cancel()
        # who waits for the client to read gets an error only if there is one: abort() alone looks like a clean end
        super().connection_lost(ConnectionResetError("the client reads too slowly") if self._stalled else exc)

    @override
    def data_received(self, data: bytes) -> None:
        idle, before = self.idle, self._request_count
        super().data_received(data)
        if idle and data:
            self._note_head(begun=self._request_count == before)

    def _note_head(self, *, begun: bool) -> None:
        if begun and not self._head_begun:
            self._deadline = max(self._deadline, self._clock() + self._timeouts.head)
        self._head_begun = begun

    @override
    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the response. Where that fails the connection ends: it never counts as idle after that.

        An exception is the library's own refusal, as of an unknown expectation: middleware raises none.
        """
        if isinstance(resp, web.HTTPException):
            resp = refusals.refused(request, resp)
        response, reset = await super().finish_response(request, resp, start_time)
        self.closing = self.closing or reset or not response.keep_alive
        self.extend_idle()
        self._answered += 1
        return response, reset

    def _expire(self) -> None:
        """Closes a connection whose deadline has passed: with 408 where a head was begun, else without an answer."""
        if self.transport is None:
            return
        if not self.idle:
            self.extend_idle()
        if self._clock() < self._deadline:
            self._idle_timer = asyncio.get_running_loop().call_at(self._deadline, self._expire)
            return
        if self._head_begun and not self.closing:
            self.transport.write(refusals.timed_out())
        self.force_close()

    @override
    def pause_writing(self) -> None:
        """Cuts the client off unless it reads in time: an answer that waits for it takes memory."""
        super().pause_writing()
        self._send_timer = asyncio.get_running_loop().call_later(self._timeouts.send, self._cut_off)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()

    def _cut_off(self) -> None:
        if self.transport is not None:
            self._stalled = True
            self.transport.abort()

    @override
    def close(self) -> None:
        self.closing = True
        super().close()

    @override
    async def shutdown(self, timeout: float | None = 15.0) -> None:
        self.closing = True
        await super().shutdown(timeout)

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
        return refusals.unreadable(status, exc)


ConnectionFactory = Callable[[web.Server], ConnectionHandler]
