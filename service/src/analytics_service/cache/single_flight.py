"""Single flight: while an answer is computed, everybody who asks the same waits for that one computation."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Flights(Generic[T]):
    """The computation is a task of its own: a client that leaves ends it only when nobody else waits."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    async def join(self, key: str, compute: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The result, and whether this call started the computation."""
        flight = self._flights.get(key)
        first = False
        if flight is None or flight.task.done():  # over, and forgotten only in the loop's next turn
            first = True
            flight = self._flights[key] = _Flight(asyncio.create_task(compute()))
            started = flight
            flight.task.add_done_callback(lambda _done: self._forget(key, started))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task), first
        except asyncio.CancelledError:
            if flight.waiting == 1:
                self._forget(key, flight)  # at once: who comes next must not wait for what is being cancelled
                flight.task.cancel()
            raise
        finally:
            flight.waiting -= 1

    def waiting(self, key: str) -> int:
        """How many wait for the computation."""
        flight = self._flights.get(key)
        return 0 if flight is None else flight.waiting

    def _forget(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
