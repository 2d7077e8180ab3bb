"""A Redis cluster of real servers on this machine, which notices a dead one within two seconds."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tests.support.certificates import Certificates
from tests.support.redis import RedisServer, a_redis

PRIMARIES: Final = 3
_BUS: Final = 10_000
"""A node's bus listens that much above its port."""


@dataclass(frozen=True)
class RedisCluster:
    primaries: Sequence[RedisServer]
    replicas: Sequence[RedisServer]
    """Each of the primary at its place."""

    @property
    def nodes(self) -> list[RedisServer]:
        return [*self.primaries, *self.replicas]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(each.address for each in self.primaries)}"

    def owner(self, key: str) -> RedisServer:
        """The primary that has the key unless it was moved."""
        return self.primaries[key_slot(key.encode()) * PRIMARIES // REDIS_CLUSTER_HASH_SLOTS]

    def begin_move(self, key: str, target: RedisServer) -> None:
        """Lets the slot of the key be between its owner and `target`: new keys of it go to `target`."""
        slot, source = key_slot(key.encode()), self.owner(key)
        command(target, "CLUSTER SETSLOT", slot, "IMPORTING", identity(source))
        command(source, "CLUSTER SETSLOT", slot, "MIGRATING", identity(target))

    def end_move(self, key: str, target: RedisServer) -> None:
        """Moves what the slot of the key still has."""
        slot, source = key_slot(key.encode()), self.owner(key)
        for each in command(source, "CLUSTER GETKEYSINSLOT", slot, 1000):
            command(source, "MIGRATE", "127.0.0.1", target.port, each, 0, 5000)
        for server in (target, source):
            command(server, "CLUSTER SETSLOT", slot, "NODE", identity(target))


def command(server: RedisServer, *words: str | int | bytes) -> Any:
    with server.client as client:
        return client.execute_command(*words)


def identity(server: RedisServer) -> str:
    found: bytes = command(server, "CLUSTER MYID")
    return found.decode()


@contextmanager
def a_cluster(*, replicas: bool = False, tls: Certificates | None = None) -> Iterator[RedisCluster]:
    """Three primaries, with a replica each where asked."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node(tls)) for _ in range(PRIMARIES * (1 + replicas))]
        cluster = RedisCluster(nodes[:PRIMARIES], nodes[PRIMARIES:])
        share = -(-REDIS_CLUSTER_HASH_SLOTS // PRIMARIES)
        for number, node in enumerate(nodes):
            command(node, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            for other in nodes[:number]:
                command(node, "CLUSTER MEET", "127.0.0.1", other.tls_port or other.port)
        for number, node in enumerate(cluster.primaries):
            last = min((number + 1) * share, REDIS_CLUSTER_HASH_SLOTS)
            command(node, "CLUSTER ADDSLOTS", *range(number * share, last))
        _wait(nodes, lambda node: _info(node)["cluster_known_nodes"] == str(len(nodes)))
        for primary, replica in zip(cluster.primaries, cluster.replicas, strict=False):
            command(replica, "CLUSTER REPLICATE", identity(primary))
        _wait(nodes, lambda node: _info(node)["cluster_state"] == "ok")
        _wait(cluster.replicas, _replicates)
        yield cluster


def _node(tls: Certificates | None) -> AbstractContextManager[RedisServer]:
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
    return a_redis(*options, *(("--tls-cluster", "yes") if tls else ()), tls=tls, bus=_BUS)


def _info(node: RedisServer) -> dict[str, str]:
    found: dict[str, str] = command(node, "CLUSTER INFO")
    return found


def _replicates(node: RedisServer) -> bool:
    with node.client as client:
        return bool(client.info("replication").get("master_link_status") == "up")


def _wait(nodes: Sequence[RedisServer], check: Callable[[RedisServer], bool]) -> None:
    deadline = time.monotonic() + 20
    while not all(check(node) for node in nodes):
        assert time.monotonic() < deadline, "the cluster does not come up"
        time.sleep(0.05)
