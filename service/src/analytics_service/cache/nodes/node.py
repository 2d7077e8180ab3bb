"""One Redis server: its connections, and a timeout for each exchange, whose circuit opens when one is exceeded.

Commands of requests that are under way at the same moment travel together, in one exchange.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from redis.asyncio import Connection
from redis.exceptions import AskError, NoScriptError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as Disconnected

from analytics_service.cache.nodes.circuit import Circuit, Limits
from analytics_service.cache.nodes.connector import Connector
from analytics_service.cache.nodes.failures import RedisFailure, RedisUnavailable
from analytics_service.redis_url import Address

PUT_DELAY_SECONDS: Final = 0.005
"""A write that nobody awaits is sent with other commands, or alone after this time."""
_MAX_CONNECTIONS: Final = 32

Word = str | bytes | int
Command = tuple[Word, ...]


class ExchangeResult(StrEnum):
    """Outcome of an exchange."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Redis refused a command: out of memory, read-only, or no permission."""
    FAILED = "failed"


class ObserveExchange(Protocol):
    """Called with the duration and outcome of each exchange."""

    def __call__(self, seconds: float, result: ExchangeResult, /) -> None: ...


@dataclass(frozen=True)
class _Pending:
    command: Command
    answer: asyncio.Future[Any] | None
    """None where nobody awaits the reply."""


class Node:
    """Commands that either answer within the timeout or raise RedisUnavailable.

    Uses the library's connections without its pool and pipelines, which cost more than twice as much for each exchange.
    """

    def __init__(
        self,
        address: Address,
        connector: Connector,
        *,
        limits: Limits,
        observe_exchange: ObserveExchange,
        on_error: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        self.address = address
        self._connector = connector
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)  # who finds them all in use waits, within the timeout
        self._observe_exchange = observe_exchange
        self._on_error = on_error
        self._timeout = limits.timeout
        self._pending: list[_Pending] = []
        self._send_scheduled = False
        self._send_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._circuit = Circuit(f"{address.host}:{address.port}", self._explain, open_seconds=limits.circuit_open)

    @property
    def available(self) -> bool:
        return self._circuit.available

    @property
    def failure(self) -> RedisFailure | None:
        """Why it does not answer, or is not used as it should be."""
        return self._circuit.failure

    async def ask(self, _key: str, *command: Word) -> Any:
        """Returns the reply. The key says where to ask, where there are several nodes."""
        self._circuit.admit()
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

    async def ask_importing(self, key: str, *command: Word) -> Any:
        """As `ask`, of a slot that is being moved here."""
        if not self.available:
            raise RedisUnavailable("Redis did not answer lately")
        self._pending.append(_Pending(("ASKING",), None))  # for the next command, which follows in the same exchange
        return await self.ask(key, *command)

    def put(self, _key: str, *command: Word) -> None:
        """Schedules a command whose reply nobody awaits; best effort."""
        with contextlib.suppress(RedisUnavailable):
            self._circuit.admit()
            self._pending.append(_Pending(command, None))
            if self._send_timer is None and not self._send_scheduled:
                self._send_timer = asyncio.get_running_loop().call_later(PUT_DELAY_SECONDS, self._send)

    async def ping(self) -> bool:
        try:
            await self.ask("", "PING")
        except RedisUnavailable:
            return False
        return True

    async def explained(self) -> RedisFailure | None:
        """Returns `failure` once its cause has been looked for."""
        return await self._circuit.explained()

    async def close(self) -> None:
        """Ends what is under way, each within its timeout, and the connections."""
        self._closed = True
        if self._send_timer is not None:
            self._send_timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._circuit.close()
        await self._disconnect_idle()

    async def _explain(self, error: Exception) -> RedisFailure:
        return await self._connector.explain(error, self.address)

    async def _disconnect_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect()

    def _send(self) -> None:
        batch, self._pending, self._send_scheduled = self._pending, [], False
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        self._start(self._exchange(batch))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, batch: Sequence[_Pending]) -> None:
        started, result = time.perf_counter(), ExchangeResult.ANSWERED
        answers: list[Any]
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                answers = await self._replies([asked.command for asked in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits must be told
            self._circuit.fail(error)
            self._on_error(error)
            answers, result = [RedisUnavailable("Redis did not answer")] * len(batch), ExchangeResult.FAILED
        else:
            self._circuit.recover()
            for answer in answers:
                if isinstance(answer, ResponseError) and not isinstance(answer, NoScriptError):
                    result = ExchangeResult.REFUSED
                    self._refused(answer)
        self._observe_exchange(time.perf_counter() - started, result)
        for asked, answer in zip(batch, answers, strict=True):
            if asked.answer is None or asked.answer.done():
                continue  # nobody waits, or who asked has left
            if isinstance(answer, Exception):
                asked.answer.set_exception(answer)
            else:
                asked.answer.set_result(answer)

    def _refused(self, error: ResponseError) -> None:
        if not isinstance(error, AskError):  # a cluster says where else to ask
            self._circuit.refuse(error)
        self._on_error(error)
        if isinstance(error, ReadOnlyError):  # it was demoted: its name may already lead to another server
            self._start(self._disconnect_idle())

    async def _replies(self, commands: Sequence[Command]) -> list[Any]:
        """Returns the replies in order; a refusal is one of them."""
        if self._idle:
            with contextlib.suppress(Disconnected):  # it was closed while nobody used it
                return await self._exchange_on(self._idle.pop(), commands)
        return await self._exchange_on(self._connector.connection(self.address), commands)

    async def _exchange_on(self, connection: Connection, commands: Sequence[Command]) -> list[Any]:
        try:
            if not connection.is_connected:
                self._circuit.note_misuse(await self._connector.connect(connection))
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            answers = [await _reply(connection) for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)  # what it still answers is nobody's
            raise
        if self._closed:
            await connection.disconnect()
        else:
            self._idle.append(connection)
        return answers


async def _reply(connection: Connection) -> Any:
    try:
        return await connection.read_response(disconnect_on_error=False)
    except ResponseError as error:
        return error
