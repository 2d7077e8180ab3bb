"""Notices that a Secret which pods read has changed, without a right to list or watch Secrets.

The metadata of each referenced Secret is read in turn; values do not travel. Up to a hundred Secrets are looked at
every five seconds, more of them as seldom as twenty reads a second allow.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from analytics_operator.errors import ApiError
from analytics_operator.kube.client import Cluster
from analytics_operator.kube.objects import SECRET, Key

SECONDS_A_ROUND = 5.0
READS_PER_SECOND = 20.0

Versions = Mapping[str, str | None]
"""resourceVersion of each referenced Secret by its name; None where there is none."""


class Rotation:
    """Compares what the API server has with what was seen at the last look at each resource."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[Key, Versions] = {}

    def saw(self, key: Key, versions: Versions) -> None:
        self._seen[key] = versions

    def forget(self, key: Key) -> None:
        self._seen.pop(key, None)

    async def watch(self, changed: Callable[[Key], Awaitable[None]]) -> None:
        """Tells of every resource whose Secrets are not as it saw them; never returns."""
        while True:
            users = self._users()
            pause = max(SECONDS_A_ROUND / max(len(users), 1), 1 / READS_PER_SECOND)
            for (namespace, name), keys in users.items():
                await asyncio.sleep(pause)
                try:
                    version = await self._cluster.version(SECRET, namespace, name)
                except ApiError:
                    continue  # the next look at the resource says what is wrong
                for key in keys:
                    if self._seen.get(key, {}).get(name, version) != version:
                        await changed(key)
            if not users:
                await asyncio.sleep(pause)

    def _users(self) -> dict[tuple[str, str], list[Key]]:
        """Who reads which Secret: one that many share is looked at once."""
        users: dict[tuple[str, str], list[Key]] = defaultdict(list)
        for key, versions in self._seen.items():
            for name in versions:
                users[key.namespace, name].append(key)
        return users
