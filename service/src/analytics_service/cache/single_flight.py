"""Single flight: concurrent callers with the same key share one computation."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Call(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class SingleFlight(Generic[T]):
    """Runs each computation as its own task, which is cancelled when its last waiter leaves."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call[T]] = {}

    async def join(self, key: str, compute: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Returns the result, and whether this call started the computation."""
        call = self._calls.get(key)
        first = False
        if call is None or call.task.done():  # over, and forgotten only in the loop's next turn
            first = True
            call = self._calls[key] = _Call(asyncio.create_task(compute()))
            started = call
            call.task.add_done_callback(lambda _done: self._forget(key, started))
        call.waiting += 1
        try:
            return await asyncio.shield(call.task), first
        except asyncio.CancelledError:
            if call.waiting == 1:
                self._forget(key, call)  # at once: who comes next must not wait for what is being cancelled
                call.task.cancel()
            raise
        finally:
            call.waiting -= 1

    def waiting(self, key: str) -> int:
        """Number of callers that wait for the computation."""
        call = self._calls.get(key)
        return 0 if call is None else call.waiting

    def _forget(self, key: str, call: _Call[T]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]
