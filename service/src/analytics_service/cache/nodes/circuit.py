"""The circuit of one Redis server: opens when an exchange fails, remembers why, and logs each cause once."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from analytics_service.cache.nodes.failures import RedisFailure, RedisUnavailable, classify

_REFUSAL_LOG_SECONDS: Final = 60.0
"""The same refusal is logged once in this time."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds."""

    timeout: float
    """Timeout of one exchange, its connection included."""
    circuit_open: float
    """How long the circuit stays open after a failure; then one command probes."""


class Circuit:
    def __init__(
        self, server: str, explain: Callable[[Exception], Coroutine[Any, Any, RedisFailure]], *, open_seconds: float
    ) -> None:
        self._server = server
        self._explain = explain
        self._open_seconds = open_seconds
        self._retry_at = 0.0
        self._failure: RedisFailure | None = None
        self._classified: RedisFailure | None = None
        """The failure by its error alone, which tells whether another one needs an explanation."""
        self._explaining: asyncio.Task[None] | None = None
        self._misuse: RedisFailure | None = None
        self._refusals_logged: dict[RedisFailure, float] = {}
        self.available = True
        """Whether the last exchange succeeded."""

    @property
    def failure(self) -> RedisFailure | None:
        """Why the server does not answer, or is not used as it should be."""
        return self._misuse if self.available else self._failure

    async def explained(self) -> RedisFailure | None:
        """Returns `failure` once its cause has been looked for."""
        if self._explaining is not None:
            await asyncio.wait({self._explaining})
        return self.failure

    def admit(self) -> None:
        """Raises RedisUnavailable while the circuit is open."""
        now = time.monotonic()
        if now < self._retry_at:
            raise RedisUnavailable("Redis did not answer lately")
        if not self.available:
            self._retry_at = now + self._open_seconds  # this command tries for all others

    def fail(self, error: Exception) -> None:
        self.available = False
        self._retry_at = time.monotonic() + self._open_seconds
        if self._classified == (failure := classify(error)):
            return
        self._classified = self._failure = failure
        if self._explaining is None:
            self._explaining = asyncio.create_task(self._look_for_cause(error))

    async def _look_for_cause(self, error: Exception) -> None:
        try:
            self._failure = await self._explain(error)
            _log.warning("redis is not available", error=self._failure.message, server=self._server)
        finally:
            self._explaining = None

    def recover(self) -> None:
        if not self.available:
            _log.info("redis is available again", server=self._server)
            self._failure = self._classified = None
        self.available = True
        self._retry_at = 0.0

    def refuse(self, error: Exception) -> None:
        """Notes that the server refused a command, which opens no circuit."""
        failure, now = classify(error), time.monotonic()
        if now >= self._refusals_logged.get(failure, 0.0):
            self._refusals_logged[failure] = now + _REFUSAL_LOG_SECONDS
            _log.warning("redis refuses commands", error=failure.message, server=self._server)

    def note_misuse(self, misuse: RedisFailure | None) -> None:
        """Notes that the server is not what the URL calls it, though it answers."""
        if misuse is not None and misuse != self._misuse:
            _log.warning("redis is not used as it should be", error=misuse.message, server=self._server)
        self._misuse = misuse

    async def close(self) -> None:
        if self._explaining is not None:
            self._explaining.cancel()
            await asyncio.wait({self._explaining})
