"""Reads from a replica, where it can be proved that it has every row that the answer's version stands for.

The version of an organisation's rows is read from the primary, with the place in its log (LSN) that it is of. Whatever
is kept under that version may be computed wherever the log has been replayed up to there: asked in the same session,
before the answer's statement, which then has one snapshot of the replica alone. Everything else is the primary's.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from analytics_service.database.lsn import WRITTEN
from analytics_service.database.pool import Database
from analytics_service.database.query import Query
from analytics_service.errors import DatabaseBusy, DatabaseError, QueryTimeout
from analytics_service.settings import Settings

_LOOK_SECONDS: Final = 0.5
_ANSWERS_SECONDS: Final = 2.0
"""Within which a look is answered by a server that works."""
_REMEMBERED: Final = 600
"""Places of the primary's log, for how far back the replica's is looked up among them."""
READONLY_URL: Final = "DATABASE_READONLY_URL"
_TELLS: Final = "has_function_privilege('pg_control_system()', 'EXECUTE') AS tells"
"""Whether we may ask for the server's identity; a statement that asks is refused as a whole where we may not."""
_IDENTITY: Final = Query(sql="SELECT system_identifier FROM pg_control_system()")
_WRITTEN: Final = Query(
    sql=f"""
SELECT {WRITTEN} AS written, {_TELLS}
WHERE NOT pg_is_in_recovery()"""
)
_REPLAYED: Final = Query(
    sql=f"""
SELECT pg_is_in_recovery() AS follows, (pg_last_wal_replay_lsn() - '0/0')::bigint AS replayed, {_TELLS}"""
)
_HAS: Final = "SELECT pg_is_in_recovery() AND (pg_last_wal_replay_lsn() - '0/0')::bigint >= $1"

_log = structlog.get_logger(__name__)


@dataclass
class Replica:
    """Follows `primary`; `problem` says why it is not asked."""

    primary: Database
    database: Database
    max_lag: float
    """Seconds."""
    clock: Callable[[], float] = time.monotonic
    problem: str | None = "not looked at yet"
    lag: float = float("inf")
    """Seconds, by the primary's log: for how long it has had what the replica has not."""

    def __post_init__(self) -> None:
        self._written: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)
        self._keeper: asyncio.Task[None] | None = None

    async def connect(self, settings: Settings) -> None:
        await self.database.connect(settings)
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        await self.database.close()

    async def fetch(self, query: Query, *, since: int, timeout: float) -> list[asyncpg.Record] | None:  # noqa: ASYNC109 - as Database.fetch
        """The rows as of `since` in the primary's log, or later; None where the replica cannot give them."""
        if self.problem is not None:
            return None
        try:
            return await self.database.fetch_once(Query(sql=_HAS, args=(since,)), query, timeout=timeout)
        except DatabaseBusy:
            return None  # which says nothing of the next one
        except QueryTimeout:
            raise  # of the request's time nothing is left for another
        except DatabaseError as error:
            self._judge(f"it failed: {error}")
            return None

    async def _keep(self) -> None:
        while True:
            try:
                self._judge(await self._look())
            except DatabaseError as error:
                self._judge(str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> str | None:
        """What is wrong with it."""
        state = self.database.state
        if not state.ready:
            return state.problem or "not connected"
        asked = self.clock()
        try:
            ours = await self.primary.fetch(_WRITTEN, timeout=_ANSWERS_SECONDS)
        except DatabaseBusy:
            return self.problem  # each answer is proved by itself
        if not ours:
            return "the primary is in recovery itself"
        self._written.append((asked, ours[0]["written"]))
        (theirs,) = await self.database.fetch(_REPLAYED, timeout=_ANSWERS_SECONDS)
        if ours[0]["tells"] and theirs["tells"]:
            identities = [
                await each.fetch_value(_IDENTITY, timeout=_ANSWERS_SECONDS) for each in (self.primary, self.database)
            ]
            if len(set(identities)) > 1:
                return f"{READONLY_URL} names a replica of another server"
        if not theirs["follows"]:
            return f"{READONLY_URL} names a server that follows no other"
        self.lag = self._behind(theirs["replayed"])
        return None if self.lag <= self.max_lag else f"it is {self.lag:.1f} s behind"

    def _behind(self, replayed: int) -> float:
        """From when the primary first had more than was replayed."""
        missing = next((at for at, written in self._written if written > replayed), None)
        return 0.0 if missing is None else self.clock() - missing

    def _judge(self, problem: str | None) -> None:
        if (problem is None) != (self.problem is None):
            _log.warning("REPLICA_UNUSED" if problem else "REPLICA_USED", cause=problem)
        self.problem = problem
        if problem is not None and not problem.startswith("it is"):
            self.lag = float("inf")


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Where answers' statements go."""

    primary: Database
    replica: Replica | None = None
    count: Callable[[str], None] = lambda _server: None

    async def fetch(self, query: Query, *, since: int | None, timeout: float) -> list[asyncpg.Record]:  # noqa: ASYNC109 - as Database.fetch
        """The rows as of `since`, or later; what the replica does not answer, the primary does in what time is left."""
        if self.replica is not None and since is not None:
            started = time.monotonic()
            if (rows := await self.replica.fetch(query, since=since, timeout=timeout)) is not None:
                self.count("replica")
                return rows
            timeout = max(timeout - (time.monotonic() - started), 0)
        self.count("primary")
        return await self.primary.fetch(query, timeout=timeout)
