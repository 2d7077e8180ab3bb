"""The only module that talks to Redis: short timeouts, and a circuit that opens when one is exceeded.

What Redis holds can always be computed without it, so callers get RedisUnavailable at once while the circuit is open.
Commands of requests that are under way at the same moment travel together, in one exchange.
"""

import asyncio
import time
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final, Protocol

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from analytics_service.errors import ServiceError

TIMEOUT_SECONDS: Final = 0.25
"""The longest that one command, with its connection, may hold up a request."""
OPEN_SECONDS: Final = 2.0
"""After a failure nobody asks Redis for so long; then one command tries."""

_log = structlog.get_logger(__name__)
_Word = str | bytes | int


class Exchanged(Protocol):
    """Told how long each exchange took."""

    def __call__(self, seconds: float, *, answered: bool) -> None: ...


class RedisUnavailable(ServiceError):  # noqa: N818 - reads as the state that it reports
    """Redis did not answer in time, or did not lately, or would not do what it was asked."""


@dataclass(frozen=True)
class Script:
    """A Lua script, which Redis keeps by its hash."""

    text: str

    @property
    def digest(self) -> str:
        return sha1(self.text.encode()).hexdigest()  # noqa: S324 - how Redis names scripts


@dataclass(frozen=True)
class _Asked:
    command: tuple[_Word, ...]
    answer: asyncio.Future[Any]


class Redis:
    """Commands that either answer within TIMEOUT_SECONDS or raise RedisUnavailable."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        open_for: float = OPEN_SECONDS,
        exchanged: Exchanged = lambda _seconds, answered: None,  # noqa: ARG005 - nobody counts
    ) -> None:
        self._exchanged = exchanged
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=32,  # who finds them all in use waits, within the timeout
            timeout=None,
            socket_timeout=None,  # one clock for a whole exchange
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._client: Client = Client.from_pool(pool)
        self._timeout = timeout
        self._open_for = open_for
        self._closed_again_at = 0.0
        self._asked: list[_Asked] = []
        self._exchanges: set[asyncio.Task[None]] = set()
        self.available = True
        """What the last exchange that was tried said."""

    async def get(self, key: str) -> bytes | None:
        value = await self._ask("GET", key)
        return value.encode() if isinstance(value, str) else value

    async def put(self, key: str, value: bytes, *, seconds: int) -> None:
        await self._ask("SET", key, value, "EX", seconds)

    async def run(self, script: Script, keys: list[str], args: list[int]) -> list[int]:
        words: tuple[_Word, ...] = (len(keys), *keys, *args)
        try:
            answer: list[int] = await self._ask("EVALSHA", script.digest, *words)
        except NoScriptError:
            answer = await self._ask("EVAL", script.text, *words)
        return answer

    async def ping(self) -> bool:
        try:
            await self._ask("PING")
        except RedisUnavailable:
            return False
        return True

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, *command: _Word) -> Any:
        now = time.monotonic()
        if now < self._closed_again_at:
            raise RedisUnavailable("Redis did not answer lately")
        if not self.available:
            self._closed_again_at = now + self._open_for  # this command tries for all others
        loop = asyncio.get_running_loop()
        asked = _Asked(command, loop.create_future())
        self._asked.append(asked)
        if len(self._asked) == 1:
            loop.call_soon(self._send)  # after everybody who is about to ask in this turn of the loop
        try:
            return await asked.answer
        except NoScriptError:
            raise
        except ResponseError as error:
            raise RedisUnavailable(f"Redis refused: {type(error).__name__}") from error  # full, read-only, loading

    def _send(self) -> None:
        batch, self._asked = self._asked, []
        exchange = asyncio.create_task(self._exchange(batch))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)

    async def _exchange(self, batch: list[_Asked]) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout), self._client.pipeline(transaction=False) as pipeline:
                for asked in batch:
                    pipeline.execute_command(*asked.command)
                answers = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            self._fail(error)
            answers = [RedisUnavailable("Redis did not answer")] * len(batch)
        else:
            self._recover()
        self._exchanged(time.perf_counter() - started, answered=self.available)
        for asked, answer in zip(batch, answers, strict=True):
            if asked.answer.done():
                continue  # who asked has left
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)

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
