"""The only module that talks to Redis: short timeouts, and a circuit that opens when one is exceeded.

What Redis holds can always be computed without it, so callers get RedisUnavailable at once while the circuit is open.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from analytics_service.errors import ServiceError

TIMEOUT_SECONDS: Final = 0.25
"""The longest that one command, with its connection, may hold up a request."""
OPEN_SECONDS: Final = 2.0
"""After a failure nobody asks Redis for so long; then one command tries."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class RedisUnavailable(ServiceError):  # noqa: N818 - reads as the state that it reports
    """Redis did not answer in time, or did not lately."""


class Redis:
    """Commands that either answer within TIMEOUT_SECONDS or raise RedisUnavailable."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS, open_for: float = OPEN_SECONDS) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=32,  # who finds them all in use waits, within the timeout
            timeout=None,
            socket_timeout=None,  # one clock for a whole command, in _bounded
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._client: Client = Client.from_pool(pool)
        self._timeout = timeout
        self._open_for = open_for
        self._closed_again_at = 0.0
        self.available = True
        """What the last command that was tried said."""

    async def get(self, key: str) -> bytes | None:
        value = await self._bounded(lambda: self._client.get(key))
        return value.encode() if isinstance(value, str) else value

    async def put(self, key: str, value: bytes, *, seconds: int) -> None:
        await self._bounded(lambda: self._client.set(key, value, ex=seconds))

    async def run(self, script: "Script", keys: list[str], args: list[int]) -> list[int]:
        answer: list[int] = await self._bounded(lambda: script.call(self._client, keys, args))
        return answer

    async def ping(self) -> bool:
        try:
            await self._bounded(self._client.ping)
        except RedisUnavailable:
            return False
        return True

    async def close(self) -> None:
        await self._client.aclose()

    async def _bounded(self, command: Callable[[], Awaitable[T]]) -> T:
        now = time.monotonic()
        if now < self._closed_again_at:
            raise RedisUnavailable("Redis did not answer lately")
        if not self.available:
            self._closed_again_at = now + self._open_for  # this command tries for all others
        try:
            async with asyncio.timeout(self._timeout):
                answer = await command()
        except (RedisError, OSError, TimeoutError) as error:
            self._fail(error)
            raise RedisUnavailable("Redis did not answer") from error
        self._recover()
        return answer

    def _fail(self, error: Exception) -> None:
        if self.available:
            _log.warning("redis is not available", error=type(error).__name__)
        self.available = False
        self._closed_again_at = time.monotonic() + self._open_for

    def _recover(self) -> None:
        if not self.available:
            _log.info("redis is available again")
        self.available = True
        self._closed_again_at = 0.0


class Script:
    """A Lua script that Redis keeps by its hash."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def call(self, client: Client, keys: list[str], args: list[int]) -> Any:
        return await client.register_script(self._text)(keys=keys, args=args)
