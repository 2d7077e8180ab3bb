"""Where the process stands between its start and its end, and what is under way in it."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


@dataclass
class Lifecycle:
    """While it drains, new requests are still answered, and each answer closes its connection."""

    draining: bool = False
    in_flight: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def middleware(self) -> Middleware:
        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.in_flight += 1
            self._idle.clear()
            try:
                response = await handler(request)
            finally:
                self.in_flight -= 1
                if self.in_flight == 0:
                    self._idle.set()
            if self.draining:
                response.force_close()  # the client's next request shall find another pod
            return response

        return count

    async def idle(self) -> None:
        """Returns when no request is under way."""
        if self.in_flight:
            await self._idle.wait()
