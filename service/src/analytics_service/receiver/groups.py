"""Requests that arrive together are written together, each answered when its rows are committed.

While a group is written the next one gathers; a request that finds none being written waits for no other. A group that
its rows make fail is written again by halves, down to the request, and that by halves down to the row that the database
refuses, so that one row never fails another's.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.connect import Connection
from analytics_service.errors import DatabaseError, DatabaseUnavailable, UsageError
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.received import reworded
from analytics_service.receiver import request_keys
from analytics_service.receiver.commit import TOO_OLD, Committer, HorizonMoved, SpansOfOthers
from analytics_service.receiver.queue import Queue
from analytics_service.receiver.request_keys import Keyed, KeyInUse
from analytics_service.receiver.sessions import WriteSessions
from analytics_service.receiver.state import StoreState
from analytics_service.receiver.submission import Outcome, Submission

_GATHER_SECONDS: Final = 0.003
_ENOUGH_ROWS: Final = 256
"""A group of so many waits for no more."""
_MAX_GROUP_ROWS: Final = 2_000
_MAX_GROUP_BYTES: Final = 8 * 2**20
_GROUP_SECONDS: Final = 30.0
"""Then the connection is dropped: its server is silent."""
WAIT_SECONDS: Final = 10.0
"""As long as exporters wait for an answer."""
_ISOLATE_SECONDS: Final = 2.0
"""For so long the rows of a request that the database refuses are halved; then each part is tried once more."""
_PAUSE_SECONDS: Final = 1.0
"""After a connection was lost requests are refused at once for so long."""
_CLEAN_SECONDS: Final = 600.0
_REFUSALS: Final = (*WriteSessions.REFUSALS, UsageError)

_log = structlog.get_logger(__name__)


class Groups:
    """Runs as many writers as there are connections."""

    def __init__(
        self,
        sessions: WriteSessions,
        state: StoreState,
        *,
        committed: Callable[[int, float], None] = lambda _rows, _seconds: None,
        seconds: float = _GROUP_SECONDS,
        isolate_seconds: float = _ISOLATE_SECONDS,
    ) -> None:
        """`committed` gets the rows of each group and the seconds that it took to write them; a connection on which a
        group takes more than `seconds` is dropped.
        """
        self._seconds = seconds
        self._isolate_seconds = isolate_seconds
        self._sessions = sessions
        self._state = state
        self._committed = committed
        self._queue = Queue()
        self._arrived = asyncio.Event()
        self._writing = 0
        self._writers: list[asyncio.Task[None]] = []
        self._refused_until = 0.0
        self._clean_at = 0.0
        self._committer = Committer(sessions)

    @property
    def waiting(self) -> int:
        """Requests that no writer has come to yet."""
        return len(self._queue)

    def start(self) -> None:
        """Inside of a running loop."""
        self._writers = [asyncio.create_task(self._write_groups()) for _ in range(self._sessions.size)]

    async def close(self) -> None:
        """Ends the writers; whoever still waits gets RequestError with 503."""
        for writer in self._writers:
            writer.cancel()
        if self._writers:
            await asyncio.wait(self._writers)
        for each in self._queue:
            _fail(each, unavailable())

    async def store(self, submission: Submission) -> Outcome:
        """Returns once the rows are committed. RequestError with 503 where they may not be: to send them again adds
        nothing twice.
        """
        if time.monotonic() < self._refused_until:
            raise unavailable()
        self._queue.put(submission)
        self._arrived.set()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await submission.done
        except TimeoutError:
            self._queue.remove(submission)  # its rows must not stay for as long as no writer comes to them
            raise unavailable() from None
        except asyncio.CancelledError:
            self._queue.remove(submission)
            raise

    async def _write_groups(self) -> None:
        while True:
            await self._arrived.wait()
            if self._writing and self._queue.rows < _ENOUGH_ROWS:
                await asyncio.sleep(_GATHER_SECONDS)
            group = self._queue.take(max_rows=_MAX_GROUP_ROWS, max_bytes=_MAX_GROUP_BYTES)
            if not self._queue:
                self._arrived.clear()
            if group:
                self._writing += 1
                try:
                    await self._write(group)
                except Exception:  # noqa: BLE001 - a writer that ended here would leave requests without an answer
                    _log.exception("a group of requests failed unexpectedly")
                    for each in group:
                        _fail(each, unavailable())
                finally:
                    self._writing -= 1

    async def _write(self, group: Sequence[Submission]) -> None:
        try:
            prices = await self._state.prices()
            async with self._sessions.session() as connection:
                # not cancelled: to roll back would wait for the server again
                end = asyncio.get_running_loop().call_later(self._seconds, connection.terminate)
                try:
                    await self._write_on(connection, group, prices)
                finally:
                    end.cancel()
        except DatabaseError as error:
            if isinstance(error, DatabaseUnavailable):
                self._refused_until = time.monotonic() + _PAUSE_SECONDS
            for each in group:
                _fail(each, unavailable())

    async def _write_on(self, connection: Connection, group: Sequence[Submission], prices: Prices) -> None:
        started = time.perf_counter()
        refused = await self._settle(connection, group, prices)
        until = time.monotonic() + self._isolate_seconds
        for number, each in enumerate(refused):
            try:
                if number and time.monotonic() >= until:  # others wait; in a later group it may be the first
                    raise unavailable()
                _answer(each, await self._alone(connection, each, prices))
            except RequestError as refusal:
                _fail(each, refusal)
        self._committed(sum(len(each.rows) for each in group), time.perf_counter() - started)
        if time.monotonic() > self._clean_at:
            self._clean_at = time.monotonic() + _CLEAN_SECONDS
            async with self._sessions.transaction_on(connection):
                await request_keys.delete_old(connection)

    async def _settle(self, connection: Connection, group: Sequence[Submission], prices: Prices) -> list[Submission]:
        """Writes and answers the group, by halves where it cannot be written together; returns those whose rows cannot
        be written even alone.
        """
        try:
            outcomes = await self._committer.commit(connection, group, prices)
        except (KeyInUse, SpansOfOthers, HorizonMoved, *_REFUSALS) as error:
            self._committer.forget_partitions()
            if len(group) > 1:
                middle = len(group) // 2
                halves = (group[:middle], group[middle:])
                return [each for half in halves for each in await self._settle(connection, half, prices)]
            if not isinstance(error, KeyInUse):
                return [*group]
            try:
                _answer(group[0], await self._answered(connection, group[0]))
            except RequestError as refusal:
                _fail(group[0], refusal)
        else:
            for each, outcome in zip(group, outcomes, strict=True):
                _answer(each, outcome)
        return []

    async def _alone(self, connection: Connection, submission: Submission, prices: Prices) -> Outcome:
        """Its rows one by one where they have to be, and then its key with the answer."""
        key = submission.request_key
        outcome = await self._parts(connection, replace(submission, request_key=None), prices)
        if key is not None:
            answer = key.answer(outcome)
            answered = replace(submission, rows=(), request_key=key._replace(answer=lambda _outcome: answer))
            await self._committer.commit(connection, [answered], prices)
        return outcome

    async def _parts(self, connection: Connection, submission: Submission, prices: Prices) -> Outcome:
        """Its rows, each in a transaction with as many others as can be stored together.

        The largest parts come first. Those that the database refuses after a time are halved no more, but rejected with
        whatever else is in them: a request that got no answer would be sent again, and take as long, for ever.
        """
        until = time.monotonic() + self._isolate_seconds
        rows, known = submission.rows, 0
        refused: dict[int, str] = {}
        parts: deque[Sequence[int]] = deque([range(len(rows))])
        while parts:
            numbers = parts.popleft()
            part = replace(submission, rows=[rows[number] for number in numbers])
            try:
                (outcome,) = await self._committer.commit(connection, [part], prices)
            except HorizonMoved as error:
                self._state.horizon = error.horizon
                young = [number for number in numbers if rows[number]["ts"] >= error.horizon]
                refused |= dict.fromkeys(set(numbers) - set(young), TOO_OLD)
                parts.extend([young] if young else [])
            except _REFUSALS as error:
                middle = len(numbers) // 2
                if middle and time.monotonic() < until:
                    parts.extend((numbers[:middle], numbers[middle:]))
                else:
                    refused |= dict.fromkeys(numbers, _reason(error, rows=len(numbers)))
            else:
                known += outcome.known
                refused |= {numbers[position]: reason for position, reason in outcome.refused.items()}
        if refused:
            _log.warning("rows were refused by the database", rows=len(refused), reason=next(iter(refused.values())))
        return Outcome(known=known, refused=refused)

    async def _answered(self, connection: Connection, submission: Submission) -> Outcome:
        """What the request with the same key was answered."""
        assert submission.request_key is not None  # noqa: S101 - it is in use
        keyed = Keyed(organisation=submission.caller.organisation, request_key=submission.request_key)
        async with self._sessions.transaction_on(connection):
            answer = await request_keys.answered(connection, keyed)
        if answer is None:
            raise unavailable()  # it became a day old meanwhile
        return Outcome(answer=answer)


def _reason(error: BaseException, *, rows: int) -> str:
    """Why rows were refused together, without what they say."""
    if isinstance(error, UsageError):
        reason = reworded(str(error))
    else:
        constraint = getattr(error, "constraint_name", None) or getattr(error, "sqlstate", None)
        reason = f"the database refuses the row ({constraint})"
    if rows == 1:
        return reason
    return f"{reason}, or one of {rows} that were tried together, for want of time: send smaller batches"


def unavailable() -> RequestError:
    """The answer to a request of which it is not known whether its rows are stored."""
    return RequestError(
        Problem.INGEST_UNAVAILABLE,
        "rows cannot be stored at the moment: send them again after Retry-After, which adds nothing twice",
        headers={"Retry-After": "2"},
    )


def _answer(submission: Submission, outcome: Outcome) -> None:
    if not submission.done.done():  # else the client has gone
        submission.done.set_result(outcome)


def _fail(submission: Submission, error: RequestError) -> None:
    if not submission.done.done():
        submission.done.set_exception(error)
