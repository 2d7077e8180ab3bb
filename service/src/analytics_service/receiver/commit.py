"""One transaction that stores the rows of a group of requests, or of one, with the keys of those that have one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Final, TypeAlias

import asyncpg

from analytics_service.database.changes import transact
from analytics_service.database.connect import Connection
from analytics_service.ingest import staging
from analytics_service.ingest.conflicts import SAME_SPAN, OnConflict
from analytics_service.ingest.copy import Refuses, Writer
from analytics_service.ingest.merge import KEY
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.rows import SpanRow
from analytics_service.ingest.staging import SpanKey
from analytics_service.ingest.text import Text, encode
from analytics_service.receiver import request_keys
from analytics_service.receiver.request_keys import Keyed
from analytics_service.receiver.sessions import WriteSessions
from analytics_service.receiver.submission import Outcome, Submission

_BEGIN: Final = """
SELECT CASE WHEN isfinite(floor) THEN floor END AS horizon,
  CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END AS durable
FROM rollup_floor
"""
"""An answer says that rows are on disk, whatever the server's default is."""
Begin: TypeAlias = Callable[[], Awaitable[None]]
_MANY: Final = 1_000
"""Rows that take so long to encode that others must not wait for it."""
_ANALYZE_SECONDS: Final = 1.0
_OUTGROWN: Final = """
SELECT c.oid::regclass::text AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'public.traces'::regclass AND c.reltuples < 10000
  AND pg_relation_size(c.oid) > 8192 * CASE WHEN c.reltuples < 0 THEN 0 ELSE 4 * greatest(c.relpages, 4) END
"""
"""Partitions that begin to grow, which autovacuum comes to within minutes: with the statistics of an empty one a span
is looked up among all of its day."""
IN_OTHER_PROJECT: Final = "span_id: the span is there already, in a project that the credential does not have"
TOO_OLD: Final = "ts: is before the time from which on single requests are kept"


class SpansOfOthers(Exception):
    """Two requests of a group have the same span, and may not write to the same projects."""


class HorizonMoved(Exception):
    """Rows of the group became too old on their way."""

    def __init__(self, horizon: datetime) -> None:
        super().__init__(horizon)
        self.horizon = horizon


class Committer:
    """Writes groups on connections that it is given; remembers which days have partitions."""

    def __init__(self, sessions: WriteSessions) -> None:
        self._sessions = sessions
        self._ensured: set[date] = set()
        self._analyze_at = 0.0

    async def commit(self, connection: Connection, group: Sequence[Submission], prices: Prices) -> list[Outcome]:
        """Of each request in order, once their rows are committed.

        Raises what its rows cause, with nothing written: KeyInUse, SpansOfOthers, HorizonMoved, UsageError, or an error
        of the server. Where a connection is lost nobody knows whether they were: the same rows again add nothing.
        """
        rows = [row for each in group for row in each.rows]
        text = (
            encode(rows, with_ids=True) if len(rows) < _MANY else await asyncio.to_thread(encode, rows, with_ids=True)
        )
        staged = staging.CREATE_FOR_TRANSACTION if self._sessions.is_shared else staging.CREATE
        writer = Writer(connection, OnConflict.MERGE, prices.price, ensured=self._ensured, staging_table=staged)
        if not text.days <= self._ensured:
            async with self._sessions.transaction_on(connection):
                await writer.ensure(text.days)
        if time.monotonic() > self._analyze_at:
            self._analyze_at = time.monotonic() + _ANALYZE_SECONDS
            async with self._sessions.transaction_on(connection):
                for outgrown in await connection.fetch(_OUTGROWN):
                    await connection.execute(f"ANALYZE (SKIP_LOCKED) {outgrown['name']}")
        transaction = _Transaction(connection, writer, group, text, begin=partial(self._sessions.begin, connection))
        try:
            return await transact(connection, transaction.run, rows="a group of requests")
        except asyncpg.UniqueViolationError:  # COPY cannot skip what is there already
            transaction.may_be_known = True
            return await transact(connection, transaction.run, rows="a group of requests")

    def forget_partitions(self) -> None:
        """Somebody else may have dropped one."""
        self._ensured.clear()


class _Transaction:
    def __init__(
        self, connection: Connection, writer: Writer, group: Sequence[Submission], text: Text, *, begin: Begin
    ) -> None:
        self._connection = connection
        self._writer = writer
        self._group = group
        self._text = text
        self._begin = begin
        self._projects = _projects(group)
        self._earliest = min((row["ts"] for each in group for row in each.rows), default=None)
        self.may_be_known = text.is_repeated

    async def run(self) -> list[Outcome]:
        await self._begin()
        begun = await self._connection.fetchrow(_BEGIN)
        horizon: datetime | None = begun["horizon"] if begun else None
        if horizon is not None and self._earliest is not None and self._earliest < horizon:
            raise HorizonMoved(horizon)
        keyed = [
            Keyed(organisation=each.caller.organisation, request_key=each.request_key)
            for each in self._group
            if each.request_key is not None
        ]
        if keyed:
            await request_keys.claim(self._connection, keyed)
        refused = set[SpanKey]()
        known = frozenset[SpanKey]()
        if self._text.rows:
            written = await self._writer.store(
                self._text,
                may_be_known=self.may_be_known,
                refuses=self._refuses(refused) if self._projects else None,
                ask_known=any(each.counts for each in self._group),
            )
            known = written.known
        outcomes = _outcomes(self._group, known, refused)
        if keyed:
            answers = [
                (each.request_key.answer(outcome))
                for each, outcome in zip(self._group, outcomes, strict=True)
                if each.request_key is not None
            ]
            await request_keys.store(self._connection, list(zip(keyed, answers, strict=True)))
        return outcomes

    def _refuses(self, refused: set[SpanKey]) -> Refuses:
        """A credential of some projects changes no row of another one, not even of the same span."""

        def refuses(row: SpanRow, stored: Sequence[SpanRow]) -> bool:
            key = key_of(row)
            projects = self._projects.get(key)
            if projects is None or all(
                each["project_id"] in projects for each in stored if abs(each["ts"] - row["ts"]) <= SAME_SPAN
            ):
                return False
            refused.add(key)
            return True

        return refuses


def key_of(row: SpanRow) -> SpanKey:
    return tuple(row[name] for name in KEY)


def _projects(group: Sequence[Submission]) -> dict[SpanKey, frozenset[str]]:
    """By span, the projects of the credential that sent it, where it does not have all of its organisation's."""
    callers: dict[SpanKey, frozenset[str]] = {}
    if any(each.caller.projects for each in group):
        for each in group:
            for row in each.rows:
                if callers.setdefault(key_of(row), each.caller.projects) != each.caller.projects:
                    raise SpansOfOthers
    return {key: projects for key, projects in callers.items() if projects}


def _outcomes(group: Sequence[Submission], known: frozenset[SpanKey], refused: set[SpanKey]) -> list[Outcome]:
    """Of rows of one span in a group the first is new."""
    counts = any(each.counts for each in group)
    seen = set(known)
    outcomes = []
    for each in group:
        reasons = {
            number: IN_OTHER_PROJECT for number, row in enumerate(each.rows) if refused and key_of(row) in refused
        }
        count = 0
        if counts:
            for number, row in enumerate(each.rows):
                key = key_of(row)
                count += key in seen and number not in reasons
                seen.add(key)
        outcomes.append(Outcome(known=count, refused=reasons))
    return outcomes
