"""The only door to Redis: short timeouts, and a circuit that opens when one is exceeded.

What Redis holds can always be computed without it, so callers get RedisUnavailable at once while the circuit is open.
"""

from dataclasses import dataclass
from hashlib import sha1
from typing import Final

from redis.exceptions import NoScriptError

from analytics_service import redis_url
from analytics_service.cache.nodes.circuit import Limits
from analytics_service.cache.nodes.connector import verify_ca_file
from analytics_service.cache.nodes.failures import RedisFailure, RedisUnavailable, classify
from analytics_service.cache.nodes.node import ObserveExchange
from analytics_service.cache.nodes.servers import servers

__all__ = ["CIRCUIT_OPEN_SECONDS", "TIMEOUT_SECONDS", "Redis", "RedisUnavailable", "Script"]

TIMEOUT_SECONDS: Final = 0.25
"""Timeout of one exchange, its connection included."""
CIRCUIT_OPEN_SECONDS: Final = 2.0
"""How long the circuit stays open after a failure; then one command probes."""


@dataclass(frozen=True)
class Script:
    """A Lua script, cached by Redis under its hash."""

    text: str

    @property
    def digest(self) -> str:
        return sha1(self.text.encode()).hexdigest()  # noqa: S324 - how Redis names scripts


_NO_KEY: Final = "analytics:diagnosis"
_READ_SCRIPT: Final = Script("redis.call('TIME') return {redis.call('GET', KEYS[1]) and 1 or 0}")


class Redis:
    """Commands on one key each, so that a cluster knows where it lies. Every key begins with `prefix`."""

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        url: str,
        *,
        prefix: str = "",
        ca_file: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        circuit_open_seconds: float = CIRCUIT_OPEN_SECONDS,
        observe_exchange: ObserveExchange = lambda _seconds, _result: None,
    ) -> None:
        parsed = redis_url.parse(url)
        if ca_file is not None:
            verify_ca_file(ca_file)
        limits = Limits(timeout=timeout, circuit_open=circuit_open_seconds)
        self._prefix = prefix
        self._servers = servers(parsed, ca_file=ca_file, limits=limits, observe_exchange=observe_exchange)

    @property
    def available(self) -> bool:
        """Whether the last exchange succeeded."""
        return self._servers.available

    @property
    def failure(self) -> RedisFailure | None:
        """Why Redis does not answer, or is not used as it should be."""
        return self._servers.failure

    async def get(self, key: str) -> bytes | None:
        key = self._prefix + key
        value: bytes | None = await self._servers.ask(key, "GET", key)
        return value

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Schedules the write; best effort."""
        key = self._prefix + key
        self._servers.put(key, "SET", key, value, "EX", seconds)

    async def run(self, script: Script, key: str, args: list[int]) -> list[int]:
        """Runs a script that touches `key` alone."""
        key = self._prefix + key
        try:
            answer: list[int] = await self._servers.ask(key, "EVALSHA", script.digest, 1, key, *args)
        except NoScriptError:
            answer = await self._servers.ask(key, "EVAL", script.text, 1, key, *args)
        return answer

    async def ping(self) -> bool:
        return await self._servers.ping()

    async def diagnose(self) -> RedisFailure | None:
        """Returns why Redis cannot be used, by asking every server and what the service asks; changes nothing."""
        try:
            if await self._servers.ping():
                await self.get(_NO_KEY)
                await self.run(_READ_SCRIPT, _NO_KEY, [])
        except RedisUnavailable as error:
            return await self._servers.explained() or classify(error)
        return await self._servers.explained()

    async def close(self) -> None:
        await self._servers.close()
