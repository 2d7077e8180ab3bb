"""Reads from a replica, where it can be proved that it has every row that the answer's version stands for.

The version of an organisation's rows is read from the primary together with the position in its log (LSN). An answer
that is cached under that version may be computed on any server that has replayed the log up to that position. The
replica is asked whether it has in the session of the answer's statement and before it, so that the statement's snapshot
is never older than what was proved. Whatever cannot be proved is read from the primary.

Beside that the replica is checked twice a second: whether it follows this primary, and how far behind it is. The lag is
a time and not a number of bytes: the primary's position is sampled with the clock, and the lag counts from the first
sample that the replica has not replayed yet.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import asyncpg
import structlog

from analytics_service.database.lsn import WRITE_LSN
from analytics_service.database.pool import Database
from analytics_service.database.query import Query
from analytics_service.errors import DatabaseBusy, DatabaseError, QueryTimeout
from analytics_service.settings import Settings

_CHECK_INTERVAL_SECONDS: Final = 0.5
_CHECK_TIMEOUT_SECONDS: Final = 2.0
"""A server that works answers sooner."""
_MAX_SAMPLES: Final = 600
"""Of the primary's LSN: a lag of up to five minutes is measured, a longer one is at least that long."""
READONLY_URL: Final = "DATABASE_READONLY_URL"
_MAY_IDENTIFY: Final = "has_function_privilege('pg_control_system()', 'EXECUTE') AS may_identify"
"""Whether our role may ask for the server's identity; without the privilege the whole statement would be refused."""
_IDENTITY: Final = Query(sql="SELECT system_identifier FROM pg_control_system()")
_PRIMARY: Final = Query(
    sql=f"""
SELECT {WRITE_LSN} AS written, {_MAY_IDENTIFY}
WHERE NOT pg_is_in_recovery()"""
)
_STANDBY: Final = Query(
    sql=f"""
SELECT pg_is_in_recovery() AS in_recovery, (pg_last_wal_replay_lsn() - '0/0')::bigint AS replayed, {_MAY_IDENTIFY}"""
)
_HAS_REPLAYED: Final = "SELECT pg_is_in_recovery() AND (pg_last_wal_replay_lsn() - '0/0')::bigint >= $1"

_log = structlog.get_logger(__name__)


@dataclass
class Replica:
    """A standby of `primary`; `problem` says why it is not asked, None when it is."""

    primary: Database
    database: Database
    max_lag: float
    """Seconds."""
    clock: Callable[[], float] = time.monotonic
    problem: str | None = "not checked yet"
    lag: float = float("inf")
    """Seconds for which the primary has had rows that the replica has not replayed."""

    def __post_init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=_MAX_SAMPLES)
        self._checks: asyncio.Task[None] | None = None

    async def connect(self, settings: Settings) -> None:
        await self.database.connect(settings)
        self._checks = asyncio.create_task(self._check_forever())

    async def close(self) -> None:
        if self._checks is not None:
            self._checks.cancel()
            await asyncio.wait({self._checks})
        await self.database.close()

    async def fetch(self, query: Query, *, lsn: int, timeout: float) -> list[asyncpg.Record] | None:  # noqa: ASYNC109 - as Database.fetch
        """The rows as of `lsn` in the primary's log, or later; None where the replica cannot give them."""
        if self.problem is not None:
            return None
        try:
            return await self.database.fetch_when(Query(sql=_HAS_REPLAYED, args=(lsn,)), query, timeout=timeout)
        except DatabaseBusy:
            return None  # a full pool says nothing of the next statement
        except QueryTimeout:
            raise  # no time is left for the primary
        except DatabaseError as error:
            self._judge(f"it failed: {error}")
            return None

    async def _check_forever(self) -> None:
        while True:
            try:
                self._judge(await self._check())
            except DatabaseError as error:
                self._judge(str(error))
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)

    async def _check(self) -> str | None:
        """The reason why the replica is not asked, as of now; None when it may be."""
        state = self.database.state
        if not state.ready:
            return state.problem or "not connected"
        sampled_at = self.clock()  # before the question, so that the lag is never understated
        try:
            rows = await self.primary.fetch(_PRIMARY, timeout=_CHECK_TIMEOUT_SECONDS)
        except DatabaseBusy:
            return self.problem  # unchanged: each answer is proved by itself
        if not rows:
            return "the primary is in recovery itself"
        (primary,) = rows
        self._samples.append((sampled_at, primary["written"]))
        (standby,) = await self.database.fetch(_STANDBY, timeout=_CHECK_TIMEOUT_SECONDS)
        if primary["may_identify"] and standby["may_identify"]:
            servers = (self.primary, self.database)
            identities = [await each.fetch_value(_IDENTITY, timeout=_CHECK_TIMEOUT_SECONDS) for each in servers]
            if len(set(identities)) > 1:
                return f"{READONLY_URL} names a replica of another server"
        if not standby["in_recovery"]:
            return f"{READONLY_URL} names a server that follows no other"
        self.lag = self._lag(standby["replayed"])
        return None if self.lag <= self.max_lag else f"it is {self.lag:.1f} s behind"

    def _lag(self, replayed: int) -> float:
        """Seconds since the first sample of the primary that is beyond `replayed`."""
        missing = next((at for at, written in self._samples if written > replayed), None)
        return 0.0 if missing is None else self.clock() - missing

    def _judge(self, problem: str | None) -> None:
        if (problem is None) != (self.problem is None):
            _log.warning("REPLICA_UNUSED" if problem else "REPLICA_USED", cause=problem)
        self.problem = problem
        if problem is not None and not problem.startswith("it is"):
            self.lag = float("inf")


class ServerRole(StrEnum):
    PRIMARY = "primary"
    REPLICA = "replica"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Sends answers' statements to the replica where it can be proved to have their rows, else to the primary."""

    primary: Database
    replica: Replica | None = None
    count: Callable[[str], None] = lambda _server: None

    async def fetch(self, query: Query, *, lsn: int | None, timeout: float) -> list[asyncpg.Record]:  # noqa: ASYNC109 - as Database.fetch
        """The rows as of `lsn`, or later: from the replica if it can, else from the primary in the time left."""
        if self.replica is not None and lsn is not None:
            started = time.monotonic()
            if (rows := await self.replica.fetch(query, lsn=lsn, timeout=timeout)) is not None:
                self.count(ServerRole.REPLICA)
                return rows
            timeout = max(timeout - (time.monotonic() - started), 0)
        self.count(ServerRole.PRIMARY)
        return await self.primary.fetch(query, timeout=timeout)
