"""The bound of what requests may hold in memory until their rows are committed, shared among organisations."""

from collections import Counter
from types import TracebackType
from typing import Final, Self

from analytics_service.contract.problems import Problem, RequestError

_RETRY_SECONDS: Final = 1
_SHARE: Final = 3
"""An organisation holds at most so many times what is free: three quarters of the queue alone, and whoever comes next
always finds some of it free.
"""


class Amount:
    """Of bytes, or of rows."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.used = 0
        self._by_organisation: Counter[str] = Counter()

    def take(self, organisation: str, count: int, *, own: int) -> bool:
        """Whether there is room. `own` is what the request has taken: alone of its organisation, it may have it all."""
        used = self._by_organisation[organisation]
        free = self.maximum - self.used
        if count and (count > free or (used > own and used + count > _SHARE * free)):
            return False
        self.add(organisation, count)
        return True

    def add(self, organisation: str, count: int) -> None:
        self.used += count
        self._by_organisation[organisation] += count
        if not self._by_organisation[organisation]:
            del self._by_organisation[organisation]


class Budget:
    """Bytes of bodies, and rows, of all requests; who would exceed them, or a share of them, is refused at once."""

    def __init__(self, *, max_bytes: int, max_rows: int) -> None:
        self.bytes = Amount(max_bytes)
        self.rows = Amount(max_rows)

    @property
    def max_request_rows(self) -> int:
        """Of one request: no share is larger."""
        return max(self.rows.maximum * _SHARE // (_SHARE + 1), 1)

    def lease(self) -> "Lease":
        """What one request takes, until its block ends."""
        return Lease(self)


class Lease:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0
        self._rows = 0
        self._organisation = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._budget.bytes.add(self._organisation, -self._bytes)
        self._budget.rows.add(self._organisation, -self._rows)

    def assign(self, organisation: str) -> None:
        """Whose request it is; to be called before anything is taken."""
        self._organisation = organisation

    def take_bytes(self, count: int) -> None:
        """RequestError with 429 where there is no room for so many more."""
        if not self._budget.bytes.take(self._organisation, count, own=self._bytes):
            raise _full()
        self._bytes += count

    def take_rows(self, count: int) -> None:
        """As `take_bytes`; with 413 where so many never have room."""
        if self._rows + count > self._budget.max_request_rows:
            raise RequestError(
                Problem.PAYLOAD_TOO_LARGE,
                f"a request may have at most {self._budget.max_request_rows} rows: send smaller batches",
            )
        if not self._budget.rows.take(self._organisation, count, own=self._rows):
            raise _full()
        self._rows += count


def _full() -> RequestError:
    return RequestError(
        Problem.INGEST_QUEUE_FULL,
        "more rows wait to be stored than there is room for: send them again after Retry-After",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
