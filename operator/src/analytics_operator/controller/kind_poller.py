"""KindPoller: which of the kinds whose CRDs are others' to install the API server serves, now and when they come."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from analytics_operator.kube.discovery import Discoverer, served_kinds
from analytics_operator.kube.objects import CERTIFICATE, OPTIONAL, Kind

log = structlog.get_logger(__name__)

POLL_SECONDS = 15
KINDS = (*OPTIONAL, CERTIFICATE)


class KindPoller:
    def __init__(self, client: Discoverer) -> None:
        self._client = client
        self.served: frozenset[Kind] = frozenset()

    async def poll(self) -> bool:
        """Whether other kinds are served than before."""
        before, self.served = self.served, await served_kinds(self._client, KINDS, before=self.served)
        return self.served != before

    async def run(self, on_change: Callable[[], Awaitable[None]]) -> None:
        """Calls back when a kind was installed or removed; never returns."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if await self.poll():
                log.info("served kinds changed", kinds=sorted(kind.name for kind in self.served))
                await on_change()
