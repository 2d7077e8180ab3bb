"""SecretPoller: notices that a Secret which pods read has changed, without a right to list or watch Secrets.

The metadata of each referenced Secret is read in turn; values do not travel. Up to a hundred Secrets are polled every
five seconds, more of them as seldom as twenty reads a second allow.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from analytics_operator.errors import ApiError
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import SECRET, Key

ROUND_SECONDS = 5.0
MAX_READS_PER_SECOND = 20.0

Versions = Mapping[str, str | None]
"""resourceVersion of each referenced Secret by its name; None where there is none."""


class SecretPoller:
    """Compares the Secrets of the API server with those that the last reconcile of each resource observed."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._observed: dict[Key, Versions] = {}

    def track(self, key: Key, versions: Versions) -> None:
        self._observed[key] = versions

    def forget(self, key: Key) -> None:
        self._observed.pop(key, None)

    async def run(self, on_change: Callable[[Key], Awaitable[None]]) -> None:
        """Calls back for every resource whose Secrets are not as it observed them; never returns."""
        while True:
            users = self._users()
            pause = max(ROUND_SECONDS / max(len(users), 1), 1 / MAX_READS_PER_SECOND)
            for (namespace, name), keys in users.items():
                await asyncio.sleep(pause)
                try:
                    version = await self._client.version(SECRET, namespace, name)
                except ApiError:
                    continue  # the next reconcile of the resource says what is wrong
                for key in keys:
                    if self._observed.get(key, {}).get(name, version) != version:
                        await on_change(key)
            if not users:
                await asyncio.sleep(pause)

    def _users(self) -> dict[tuple[str, str], list[Key]]:
        """The resources that read each Secret: one that many share is polled once."""
        users: dict[tuple[str, str], list[Key]] = defaultdict(list)
        for key, versions in self._observed.items():
            for name in versions:
                users[key.namespace, name].append(key)
        return users
