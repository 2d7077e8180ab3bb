"""Leader election by a Lease: valid for 15 s or more, renewed every 2 s, given up by its holder after two thirds of it.

A candidate measures how long a Lease has not changed by its own monotonic clock; clocks of machines are never compared.
Writes carry the resourceVersion, so that of two candidates one wins.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from analytics_operator.errors import ApiError, Conflict, LeaseLost, NotFound
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import LEASE, Manifest

log = structlog.get_logger(__name__)

LEASE_SECONDS = 15
MAX_LEASE_SECONDS = 300
RETRY_SECONDS = 2
REQUEST_TIMEOUT_SECONDS = 5.0
"""Timeout of a Lease call: two fit before the deadline of the shortest Lease."""


@dataclass(frozen=True, kw_only=True)
class Names:
    namespace: str
    lease: str
    identity: str


class LeaderElection:
    """Acquires, keeps and gives back the Lease."""

    def __init__(
        self,
        client: KubeClient,
        names: Names,
        *,
        on_change: Callable[[bool], None],
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        """`lease_seconds` is LEASE_SECONDS at least."""
        self._client = client
        self._names = names
        self._lease_seconds = lease_seconds
        self._deadline_seconds = lease_seconds * 2 / 3
        self._on_change = on_change
        self._observed: tuple[str, float] = ("", 0.0)
        """resourceVersion of the Lease, and when it was first seen at that version."""
        self._renewed = float("-inf")

    def fence(self) -> None:
        """Raises LeaseLost when another replica may lead: a process that was frozen wakes up in the middle of its work.

        Asked before every write. What was handed to the kernel before the freeze is not held back.
        """
        if time.monotonic() - self._renewed > self._deadline_seconds:
            raise LeaseLost(f"the Lease was not renewed for {self._deadline_seconds:g} s: nothing more is written")

    async def acquire(self) -> None:
        """Returns when we hold the Lease."""
        while True:
            with suppress(ApiError):
                # Counted from before the request: the API server may have written the renewal long before its answer
                # came, and other candidates count from when they see it.
                start = time.monotonic()
                if await self._try():
                    self._renewed = start
                    self._on_change(True)
                    log.info("leading", identity=self._names.identity)
                    return
            await asyncio.sleep(RETRY_SECONDS)

    async def keep(self) -> None:
        """Renews until it cannot: then raises LeaseLost, before any other candidate may lead."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            with suppress(ApiError, TimeoutError):
                # A request that hangs ends at the deadline, so that LeaseLost is raised 5 s or more before it is free.
                left = self._deadline_seconds - (time.monotonic() - self._renewed)
                start = time.monotonic()
                async with asyncio.timeout(max(left, 0)):
                    if not await self._try():
                        self._on_change(False)
                        raise LeaseLost("another replica holds the Lease")
                self._renewed = start
            if time.monotonic() - self._renewed > self._deadline_seconds:
                self._on_change(False)
                raise LeaseLost(f"the Lease could not be renewed for {self._deadline_seconds:g} s")

    async def release(self) -> None:
        """Lets another replica lead at once; best effort."""
        self._on_change(False)
        with suppress(ApiError):
            lease = await self._client.get(LEASE, self._names.namespace, self._names.lease)
            if lease["spec"].get("holderIdentity") == self._names.identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                await self._client.replace(LEASE, lease)
                log.info("lease released")

    async def _try(self) -> bool:
        """Whether we hold the Lease now."""
        try:
            lease = await self._client.get(LEASE, self._names.namespace, self._names.lease)
        except NotFound:
            await self._client.create(LEASE, self._new())
            return True
        spec: dict[str, Any] = lease["spec"]
        ours = spec.get("holderIdentity") == self._names.identity
        if not ours and spec.get("holderIdentity") and not self._expired(lease):
            return False
        if not ours:
            spec |= {"acquireTime": _now(), "leaseTransitions": spec.get("leaseTransitions", 0) + 1}
        spec |= {
            "holderIdentity": self._names.identity,
            "leaseDurationSeconds": self._lease_seconds,
            "renewTime": _now(),
        }
        try:
            await self._client.replace(LEASE, lease)
        except Conflict:
            # Somebody wrote between our read and our write. Of two candidates one has lost. The holder reads again:
            # whoever wrote may have changed something else than who holds the Lease.
            return False if not ours else await self._try()
        return True

    def _expired(self, lease: Manifest) -> bool:
        """Whether the Lease has not changed for its duration, as far as we saw."""
        version = lease["metadata"]["resourceVersion"]
        if self._observed[0] != version:
            self._observed = (version, time.monotonic())
        return time.monotonic() - self._observed[1] > float(lease["spec"].get("leaseDurationSeconds", LEASE_SECONDS))

    def _new(self) -> Manifest:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self._names.lease, "namespace": self._names.namespace},
            "spec": {
                "holderIdentity": self._names.identity,
                "leaseDurationSeconds": self._lease_seconds,
                "acquireTime": _now(),
                "renewTime": _now(),
                "leaseTransitions": 0,
            },
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
