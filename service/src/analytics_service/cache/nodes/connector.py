"""Connections to Redis servers: credentials and TLS of a URL, the server's own report, and why a connection fails."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from analytics_service.cache.nodes.failures import NO_TLS, NODE_OF_CLUSTER, SENTINEL, TLS, RedisFailure, classify
from analytics_service.errors import UsageError
from analytics_service.redis_url import Address, RedisUrl

_QUESTION_SECONDS: Final = 1.0


Verify = Callable[[Mapping[str, str]], RedisFailure | None]
"""Returns what is wrong with a server that reports this, None where nothing is; raises where it must not be used."""


def standalone_misuse(report: Mapping[str, str]) -> RedisFailure | None:
    return {"cluster": NODE_OF_CLUSTER, "sentinel": SENTINEL}.get(report.get("mode", ""))


class Connector:
    """Makes connections with the credentials of a URL; none of them has a timeout or a retry of its own."""

    def __init__(self, url: RedisUrl, *, ca_file: str | None, verify: Verify = standalone_misuse) -> None:
        self._verify = verify
        self._class = SSLConnection if url.tls else Connection
        self._tls = url.tls
        self._options: dict[str, Any] = {
            "db": url.database,
            "username": url.username or None,
            "password": url.password or None,
            "socket_timeout": None,  # one clock for a whole exchange
            "socket_connect_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            **url.options,
        }
        if ca_file is not None:
            self._options["ssl_ca_certs"] = ca_file
        if url.tls:
            # of newer Pythons' default: it refuses authorities without optional extensions, which PostgreSQL's takes
            self._options["ssl_exclude_verify_flags"] = [ssl.VerifyFlags.VERIFY_X509_STRICT]

    def connection(self, address: Address) -> Connection:
        return self._class(host=address.host, port=address.port, **self._options)

    async def connect(self, connection: Connection) -> RedisFailure | None:
        """Connects, and returns what is wrong with the server though it answers."""
        await connection.connect()  # type: ignore[no-untyped-call]
        return self._verify(await _server_report(connection))

    async def ask(self, address: Address, *command: str) -> Any:
        """Returns the reply to one command, on a connection of its own, within a second."""
        connection = self.connection(address)
        try:
            async with asyncio.timeout(_QUESTION_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command(*command)
                return await connection.read_response()
        finally:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def explain(self, error: Exception, address: Address) -> RedisFailure:
        """Returns why a connection fails; asks the server where both sides wait, or hang up, without a word."""
        silent = isinstance(error, TimeoutError) if self._tls else isinstance(error, Disconnected)
        if silent and await _speaks(address, tls=not self._tls):
            return NO_TLS if self._tls else TLS
        return classify(error)


async def _server_report(connection: Connection) -> Mapping[str, str]:
    """Returns what the server says of itself: `mode` and `role` among others; nothing where it knows no HELLO."""
    await connection.send_command("HELLO", check_health=False)
    try:
        reply = await connection.read_response()
    except ResponseError:
        return {}
    return pairs(reply)


def pairs(reply: Any) -> dict[str, str]:
    """Returns the texts of a reply of names and values, which is a map or a list by the version of the protocol."""
    items = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in items if isinstance(value, bytes)}


def verify_ca_file(path: str) -> None:
    """Raises UsageError where the file holds no certificates."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # of TLS too
        reason = "holds no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"REDIS_CA_FILE: {reason}") from None


async def _speaks(address: Address, *, tls: bool) -> bool:
    """Whether Redis answers there with TLS, or without."""
    context = ssl.create_default_context()
    context.check_hostname = False  # nothing but an empty question is sent
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_QUESTION_SECONDS):
            reader, writer = await asyncio.open_connection(*address, ssl=context if tls else None)
            try:
                if tls:
                    return True
                writer.write(b"PING\r\n")
                return (await reader.read(1)) in {b"+", b"-"}
            finally:
                writer.transport.abort()  # in TLS a peer may take its time to say goodbye
    return False
