"""Three Sentinels that watch a primary and its replica, all real and on this machine."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.certificates import Certificates
from tests.support.ports import free_ports
from tests.support.redis import RedisServer, a_redis, redis_server, tls_options

SERVICE: Final = "mymaster"
_SENTINELS: Final = 3


def hosts(servers: Iterable[RedisServer]) -> str:
    return ",".join(each.address for each in servers)


@dataclass
class WatchedRedis:
    servers: list[RedisServer]
    """The primary, then its replica."""
    sentinels: list[RedisServer]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{hosts(self.sentinels)}/{SERVICE}/0"

    def elected(self) -> int:
        """Port of the primary, as a Sentinel names it."""
        return int(self._state(self.sentinels[0])["port"])

    def wait_ready(self) -> None:
        """Returns once the Sentinels know one another and the replica, so that they can elect."""
        deadline = time.monotonic() + 20
        while not all(
            state["num-other-sentinels"] == _SENTINELS - 1 and state["num-slaves"] == 1
            for state in map(self._state, self.sentinels)
        ):
            assert time.monotonic() < deadline, "the Sentinels do not find one another"
            time.sleep(0.05)

    def _state(self, sentinel: RedisServer) -> dict[str, Any]:
        with sentinel.client as client:
            found: dict[str, Any] = client.execute_command("SENTINEL MASTER", SERVICE)
        return found


@contextmanager
def watched_redis(folder: Path) -> Iterator[WatchedRedis]:
    """Notices a failure within a second."""
    at_once = ("--repl-diskless-sync-delay", "0")
    with (
        a_redis(*at_once) as primary,
        a_redis(*at_once, "--replicaof", "127.0.0.1", str(primary.port)) as replica,
        sentinels(folder, primary) as started,
    ):
        watched = WatchedRedis([primary, replica], started)
        watched.wait_ready()
        yield watched


@contextmanager
def sentinels(
    folder: Path, primary: RedisServer, *lines: str, tls: Certificates | None = None
) -> Iterator[list[RedisServer]]:
    """Sentinels of the primary, with more lines in their configuration."""
    options = tls_options(tls) if tls else []
    configuration = (
        "bind 127.0.0.1",
        f"sentinel monitor {SERVICE} {primary.address.replace(':', ' ')} 2",
        f"sentinel down-after-milliseconds {SERVICE} 1000",
        f"sentinel failover-timeout {SERVICE} 10000",
        *(f"{name.removeprefix('--')} {value}" for name, value in zip(options[::2], options[1::2], strict=True)),
        *(["tls-replication yes"] if tls else []),
        *lines,
    )
    with ExitStack() as stack:
        yield [_sentinel(stack, folder, configuration, tls=tls is not None) for _ in range(_SENTINELS)]


def _sentinel(stack: ExitStack, folder: Path, configuration: tuple[str, ...], *, tls: bool) -> RedisServer:
    port, tls_port = free_ports(2)
    file = folder / f"sentinel-{port}.conf"
    ports = (f"port {port}", *([f"tls-port {tls_port}"] if tls else []))
    file.write_text("\n".join((*ports, *configuration, "")))
    server = RedisServer(
        binary=redis_server(),
        port=port,
        folder=folder,
        arguments=(str(file), "--sentinel"),
        tls_port=tls_port if tls else 0,
    )
    stack.callback(server.stop)
    server.start()
    return server
