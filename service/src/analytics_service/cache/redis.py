"""The only module that talks to Redis: short timeouts, and a circuit that opens when one is exceeded.

What Redis holds can always be computed without it, so callers get RedisUnavailable at once while the circuit is open.
Commands of requests that are under way at the same moment travel together, in one exchange.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1
from typing import Any, Final, Protocol

import structlog
from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, ResponseError

from analytics_service.errors import ServiceError

TIMEOUT_SECONDS: Final = 0.25
"""Timeout of one exchange, its connection included."""
CIRCUIT_OPEN_SECONDS: Final = 2.0
"""How long the circuit stays open after a failure; then one command probes."""
PUT_DELAY_SECONDS: Final = 0.005
"""A write that nobody awaits is sent with other commands, or alone after this time."""
_MAX_CONNECTIONS: Final = 32

_log = structlog.get_logger(__name__)
_Word = str | bytes | int
_Command = tuple[_Word, ...]


class ExchangeResult(StrEnum):
    """Outcome of an exchange."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Redis refused a command: out of memory, read-only, or no permission."""
    FAILED = "failed"


class ObserveExchange(Protocol):
    """Called with the duration and outcome of each exchange."""

    def __call__(self, seconds: float, result: ExchangeResult, /) -> None: ...


class RedisUnavailable(ServiceError):
    """Redis timed out, refused a command, or the circuit is open."""


@dataclass(frozen=True)
class Script:
    """A Lua script, cached by Redis under its hash."""

    text: str

    @property
    def digest(self) -> str:
        return sha1(self.text.encode()).hexdigest()  # noqa: S324 - how Redis names scripts


@dataclass(frozen=True)
class _Pending:
    command: _Command
    answer: asyncio.Future[Any] | None
    """None where nobody awaits the reply."""


class Redis:
    """Commands that either answer within TIMEOUT_SECONDS or raise RedisUnavailable.

    Every key begins with `prefix`, which callers do not know.
    Uses the library's connections without its pool and pipelines, which cost more than twice as much for each exchange.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "",
        timeout: float = TIMEOUT_SECONDS,
        circuit_open_seconds: float = CIRCUIT_OPEN_SECONDS,
        observe_exchange: ObserveExchange = lambda _seconds, _result: None,
    ) -> None:
        # one clock for a whole exchange: no other timeouts, and no repetitions
        once = Retry(NoBackoff(), 0)
        self._pool = ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=None, retry=once)
        self._prefix = prefix
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)  # who finds them all in use waits, within the timeout
        self._observe_exchange = observe_exchange
        self._timeout = timeout
        self._circuit_open_seconds = circuit_open_seconds
        self._retry_at = 0.0
        self._pending: list[_Pending] = []
        self._send_scheduled = False
        self._send_timer: asyncio.TimerHandle | None = None
        self._exchanges: set[asyncio.Task[None]] = set()
        self.available = True
        """Whether the last exchange succeeded."""

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._ask("GET", self._prefix + key)
        return value

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Schedules the write; best effort."""
        with contextlib.suppress(RedisUnavailable):
            self._admit()
            self._pending.append(_Pending(("SET", self._prefix + key, value, "EX", seconds), None))
            if self._send_timer is None and not self._send_scheduled:
                self._send_timer = asyncio.get_running_loop().call_later(PUT_DELAY_SECONDS, self._send)

    async def run(self, script: Script, key: str, args: list[int]) -> list[int]:
        """Runs a script that touches `key` alone."""
        words: _Command = (1, self._prefix + key, *args)
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
        if self._send_timer is not None:
            self._send_timer.cancel()
        for connection in self._idle:
            await connection.disconnect()

    async def _ask(self, *command: _Word) -> Any:
        self._admit()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._pending.append(_Pending(command, answer))
        if not self._send_scheduled:
            self._send_scheduled = True
            loop.call_soon(self._send)  # after everybody who is about to ask in this turn of the loop
        try:
            return await answer
        except NoScriptError:
            raise
        except ResponseError as error:
            raise RedisUnavailable(f"Redis refused: {type(error).__name__}") from error  # full, read-only, loading

    def _admit(self) -> None:
        now = time.monotonic()
        if now < self._retry_at:
            raise RedisUnavailable("Redis did not answer lately")
        if not self.available:
            self._retry_at = now + self._circuit_open_seconds  # this command tries for all others

    def _send(self) -> None:
        batch, self._pending, self._send_scheduled = self._pending, [], False
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        exchange = asyncio.create_task(self._exchange(batch))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)

    async def _exchange(self, batch: Sequence[_Pending]) -> None:
        started, result = time.perf_counter(), ExchangeResult.ANSWERED
        answers: list[Any]
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                answers = await self._replies([asked.command for asked in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits must be told
            self._fail(error)
            answers, result = [RedisUnavailable("Redis did not answer")] * len(batch), ExchangeResult.FAILED
        else:
            self._recover()
            if any(isinstance(answer, ResponseError) and not isinstance(answer, NoScriptError) for answer in answers):
                result = ExchangeResult.REFUSED
        self._observe_exchange(time.perf_counter() - started, result)
        for asked, answer in zip(batch, answers, strict=True):
            if asked.answer is None or asked.answer.done():
                continue  # nobody waits, or who asked has left
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)

    async def _replies(self, commands: Sequence[_Command]) -> list[Any]:
        """Returns the replies in order; a refusal is one of them."""
        if self._idle:
            with contextlib.suppress(Disconnected):  # it was closed while nobody used it
                return await self._exchange_on(self._idle.pop(), commands)
        return await self._exchange_on(self._pool.make_connection(), commands)  # type: ignore[no-untyped-call]

    async def _exchange_on(self, connection: Connection, commands: Sequence[_Command]) -> list[Any]:
        try:
            if not connection.is_connected:
                await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            answers = [await _reply(connection) for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)  # what it still answers is nobody's
            raise
        self._idle.append(connection)
        return answers

    def _fail(self, error: Exception) -> None:
        if self.available:
            _log.warning("redis is not available", error=type(error).__name__)
        self.available = False
        self._retry_at = time.monotonic() + self._circuit_open_seconds

    def _recover(self) -> None:
        if not self.available:
            _log.info("redis is available again")
        self.available = True
        self._retry_at = 0.0


async def _reply(connection: Connection) -> Any:
    try:
        return await connection.read_response(disconnect_on_error=False)
    except ResponseError as error:
        return error
