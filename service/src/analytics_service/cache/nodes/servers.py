"""Makes the servers that a URL names: one, or those that Sentinels name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from analytics_service.cache.nodes.circuit import Limits
from analytics_service.cache.nodes.connector import Connector
from analytics_service.cache.nodes.discovered import DiscoveredServers
from analytics_service.cache.nodes.failures import RedisFailure
from analytics_service.cache.nodes.node import Node, ObserveExchange, Word
from analytics_service.cache.nodes.sentinel import only_primary, primary
from analytics_service.redis_url import Address, RedisUrl, Topology


class Servers(Protocol):
    """Each command names its key, which says where to ask."""

    @property
    def available(self) -> bool:
        """Whether the last exchanges succeeded."""

    @property
    def failure(self) -> RedisFailure | None:
        """Why they do not answer, or are not used as they should be."""

    async def ask(self, key: str, *command: Word) -> Any:
        """Returns the reply; RedisUnavailable where there is none in time."""

    def put(self, key: str, *command: Word) -> None:
        """Schedules a command whose reply nobody awaits; best effort."""

    async def ping(self) -> bool:
        """Whether every server answers."""

    async def explained(self) -> RedisFailure | None:
        """Returns `failure` once its cause has been looked for."""

    async def close(self) -> None:
        """Ends what is under way, and the connections."""


def servers(url: RedisUrl, *, ca_file: str | None, limits: Limits, observe_exchange: ObserveExchange) -> Servers:
    if url.topology is Topology.STANDALONE:
        connector = Connector(url, ca_file=ca_file)
        return Node(url.addresses[0], connector, limits=limits, observe_exchange=observe_exchange)
    connector = Connector(url, ca_file=ca_file, verify=only_primary)

    def node(address: Address, on_error: Callable[[Exception], None]) -> Node:
        return Node(address, connector, limits=limits, observe_exchange=observe_exchange, on_error=on_error)

    theirs = replace(url, username=url.sentinel_username, password=url.sentinel_password, database=0)
    sentinels = Connector(theirs, ca_file=ca_file)
    return DiscoveredServers(lambda _answering: primary(url, sentinels), node, timeout=limits.timeout)
