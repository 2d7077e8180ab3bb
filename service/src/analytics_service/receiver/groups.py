"""Requests that arrive within a few milliseconds are written together, each answered when its rows are committed.

While a group is written the next one gathers. A group that its rows make fail is written again by halves, down to the
row that the database refuses, so that one row never fails another's.
"""

import asyncio
import contextlib
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
    ) -> None:
        """`committed` gets the rows of each group and the seconds that it took to write them; a connection on which a
        group takes more than `seconds` is dropped.
        """
        self._seconds = seconds
        self._sessions = sessions
        self._state = state
        self._committed = committed
        self._waiting: deque[Submission] = deque()
        self._arrived = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []
        self._refused_until = 0.0
        self._clean_at = 0.0
        self._committer = Committer(sessions)

    @property
    def waiting(self) -> int:
        """Requests that no writer has come to yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Inside of a running loop."""
        self._writers = [asyncio.create_task(self._write_groups()) for _ in range(self._sessions.size)]

    async def close(self) -> None:
        """Ends the writers; whoever still waits gets RequestError with 503."""
        for writer in self._writers:
            writer.cancel()
        if self._writers:
            await asyncio.wait(self._writers)
        for each in self._waiting:
            _fail(each, unavailable())

    async def store(self, submission: Submission) -> Outcome:
        """Returns once the rows are committed. RequestError with 503 where they may not be: to send them again adds
        nothing twice.
        """
        if time.monotonic() < self._refused_until:
            raise unavailable()
        self._waiting.append(submission)
        self._arrived.set()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await submission.done
        except TimeoutError:
            self._forget(submission)
            raise unavailable() from None
        except asyncio.CancelledError:
            self._forget(submission)
            raise

    def _forget(self, submission: Submission) -> None:
        """Nobody waits for it any more: its rows must not stay for as long as no writer comes to them."""
        with contextlib.suppress(ValueError):  # a writer has it
            self._waiting.remove(submission)

    async def _write_groups(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._has_enough():
                await asyncio.sleep(_GATHER_SECONDS)
            group = self._take()
            if group:
                try:
                    await self._write(group)
                except Exception:  # noqa: BLE001 - a writer that ended here would leave requests without an answer
                    _log.exception("a group of requests failed unexpectedly")
                    for each in group:
                        _fail(each, unavailable())

    def _has_enough(self) -> bool:
        rows = 0
        for each in self._waiting:
            rows += len(each.rows)
            if rows >= _ENOUGH_ROWS:
                return True
        return False

    def _take(self) -> list[Submission]:
        """Those that wait longest, but for whom nobody waits any more."""
        group: list[Submission] = []
        rows = size = 0
        while self._waiting:
            if self._waiting[0].done.done():
                self._waiting.popleft()
                continue
            rows += len(self._waiting[0].rows)
            size += self._waiting[0].size
            if group and (rows > _MAX_GROUP_ROWS or size > _MAX_GROUP_BYTES):
                break
            group.append(self._waiting.popleft())
        if not self._waiting:
            self._arrived.clear()
        return group

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
        await self._settle(connection, group, prices)
        self._committed(sum(len(each.rows) for each in group), time.perf_counter() - started)
        if time.monotonic() > self._clean_at:
            self._clean_at = time.monotonic() + _CLEAN_SECONDS
            async with self._sessions.transaction_on(connection):
                await request_keys.delete_old(connection)

    async def _settle(self, connection: Connection, group: Sequence[Submission], prices: Prices) -> None:
        """Writes and answers the group, by halves where it cannot be written together."""
        try:
            outcomes = await self._committer.commit(connection, group, prices)
        except (KeyInUse, SpansOfOthers, HorizonMoved, *_REFUSALS) as error:
            self._committer.forget_partitions()
            if len(group) > 1:
                middle = len(group) // 2
                for half in (group[:middle], group[middle:]):
                    await self._settle(connection, half, prices)
                return
            try:
                is_known = isinstance(error, KeyInUse)
                settle = self._answered(connection, group[0]) if is_known else self._alone(connection, group[0], prices)
                _answer(group[0], await settle)
            except RequestError as refusal:
                _fail(group[0], refusal)
        else:
            for each, outcome in zip(group, outcomes, strict=True):
                _answer(each, outcome)

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
        """Its rows, each in a transaction with as many others as can be stored together."""
        rows = submission.rows
        try:
            (outcome,) = await self._committer.commit(connection, [submission], prices)
        except HorizonMoved as error:
            self._state.horizon = error.horizon
            young = [number for number, row in enumerate(rows) if row["ts"] >= error.horizon]
            refused = dict.fromkeys(set(range(len(rows))) - set(young), TOO_OLD)
            parts = [young]
        except _REFUSALS as error:
            if len(rows) == 1:
                reason = _reason(error)
                _log.warning("a row was refused by the database", reason=reason)
                return Outcome(refused={0: reason})
            middle = len(rows) // 2
            refused, parts = {}, [list(range(middle)), list(range(middle, len(rows)))]
        else:
            return outcome
        known = 0
        for numbers in filter(None, parts):
            part = replace(submission, rows=[rows[number] for number in numbers])
            outcome = await self._parts(connection, part, prices)
            known += outcome.known
            refused |= {numbers[position]: reason for position, reason in outcome.refused.items()}
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


def _reason(error: BaseException) -> str:
    """Why a row was refused, without what it says."""
    if isinstance(error, UsageError):
        return reworded(str(error))
    constraint = getattr(error, "constraint_name", None) or getattr(error, "sqlstate", None)
    return f"the database refuses the row ({constraint})"


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
