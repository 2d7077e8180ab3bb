"""The bound of what requests may hold in memory until their rows are committed."""

from types import TracebackType
from typing import Final, Self

from analytics_service.contract.problems import Problem, RequestError

_RETRY_SECONDS: Final = 1


class Budget:
    """Bytes of bodies and rows of all requests; who would exceed it is refused at once."""

    def __init__(self, *, max_bytes: int, max_rows: int) -> None:
        self.max_bytes, self.max_rows = max_bytes, max_rows
        self.bytes = 0
        self.rows = 0

    def lease(self) -> "Lease":
        """What one request takes, until its block ends."""
        return Lease(self)


class Lease:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._budget.bytes -= self._bytes
        self._budget.rows -= self._rows

    def take_bytes(self, count: int) -> None:
        """RequestError with 429 where there is no room for so many more."""
        if self._budget.bytes + count > self._budget.max_bytes:
            raise _full()
        self._budget.bytes += count
        self._bytes += count

    def take_rows(self, count: int) -> None:
        """As `take_bytes`; with 413 where so many never have room."""
        if self._rows + count > self._budget.max_rows:
            raise RequestError(
                Problem.PAYLOAD_TOO_LARGE,
                f"a request may have at most {self._budget.max_rows} rows: send smaller batches",
            )
        if self._budget.rows + count > self._budget.max_rows:
            raise _full()
        self._budget.rows += count
        self._rows += count


def _full() -> RequestError:
    return RequestError(
        Problem.INGEST_QUEUE_FULL,
        "more rows wait to be stored than there is room for: send them again after Retry-After",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
