"""Makes the servers that a URL names: one, the one that Sentinels name, or those of a cluster."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from analytics_service.cache.nodes.circuit import Limits
from analytics_service.cache.nodes.cluster import slots
from analytics_service.cache.nodes.connector import Connector, Verify, standalone_misuse
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


_VERIFY: Mapping[Topology, Verify] = MappingProxyType(
    {
        Topology.STANDALONE: standalone_misuse,
        Topology.SENTINEL: only_primary,
        Topology.CLUSTER: lambda _report: None,  # who owns a slot is asked, and a node that does not says so
    }
)


def servers(url: RedisUrl, *, ca_file: str | None, limits: Limits, observe_exchange: ObserveExchange) -> Servers:
    connector = Connector(url, ca_file=ca_file, verify=_VERIFY[url.topology])

    def node(address: Address, on_error: Callable[[Exception], None] = lambda _error: None) -> Node:
        return Node(address, connector, limits=limits, observe_exchange=observe_exchange, on_error=on_error)

    match url.topology:
        case Topology.STANDALONE:
            return node(url.addresses[0])
        case Topology.SENTINEL:
            theirs = replace(url, username=url.sentinel_username, password=url.sentinel_password, database=0)
            sentinels = Connector(theirs, ca_file=ca_file)
            return DiscoveredServers(lambda _answering: primary(url, sentinels), node, timeout=limits.timeout)
        case Topology.CLUSTER:
            return DiscoveredServers(
                lambda answering: slots(answering, url.addresses, connector), node, timeout=limits.timeout
            )
