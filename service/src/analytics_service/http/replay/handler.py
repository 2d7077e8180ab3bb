"""The connection that answers from a ReplayStore, and the middleware that records answers in it."""

from typing import Final

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.typedefs import Handler, Middleware
from typing_extensions import override

from analytics_service.http.connections import TIMEOUTS, ConnectionHandler, Timeouts
from analytics_service.http.replay.store import ReplayStore, is_one_request

AIOHTTP_INTERNALS: Final = ("_messages", "_request_count", "data_received", "transport", "writing_paused")
"""Names of web.RequestHandler that this module uses beyond its documentation, as in http/connections.py."""


class ReplayHandler(ConnectionHandler):
    """Answers stored bytes from the store where they can only be a whole request; the parser reads everything else.

    Bytes are a request only where the parser stands between two, and the same bytes may as well be a part of a body or
    of a header. So a connection is replayed as long as every packet on it was exactly one GET without a body: by its
    bytes (`is_one_request`), and by what the parser made of them (one message, and no payload for it). After any other
    packet the state of the parser is its own affair, and the connection is never replayed from then on.
    """

    __slots__ = ("_store", "_synchronised", "raw")

    def __init__(self, manager: web.Server, *, store: ReplayStore, timeouts: Timeouts = TIMEOUTS) -> None:
        super().__init__(manager, timeouts=timeouts)
        self._store = store
        self._synchronised = True
        """The parser has read whole requests only, so that the next byte begins one."""
        self.raw: bytes | None = None
        """The bytes of the request that is being answered; None unless they are known to be this request alone."""

    @override
    def data_received(self, data: bytes) -> None:
        idle = self.idle  # else the stored answer would overtake the one that is being made
        if idle and self._synchronised and self._replay(data):
            return
        before = self._request_count
        super().data_received(data)
        if self._synchronised:
            parsed = self._request_count - before
            self._synchronised = is_one_request(data) and parsed == 1 and self._messages[-1][1] is EMPTY_PAYLOAD
        self.raw = data if idle and self._synchronised else None

    def _replay(self, data: bytes) -> bool:
        if self.transport is None or self.writing_paused or self.closing:
            return False
        response = self._store.response(data)
        if response is None:
            return False
        self.extend_idle()
        self.transport.write(response)
        return True


def recorder(store: ReplayStore) -> Middleware:
    """Records responses as the others made them, so it stands before all that add a header."""

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        connection = request.protocol
        if isinstance(connection, ReplayHandler) and connection.raw and isinstance(response, web.Response):
            store.record(connection.raw, request, response)
        return response

    return record
