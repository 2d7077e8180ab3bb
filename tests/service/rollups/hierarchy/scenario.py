"""A database and a list of its rows side by side, and what may happen to both."""

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from typing_extensions import override

from analytics_service.rollups.hierarchy.refresh import Refresher, Schedule
from tests.service.rollups.hierarchy.stored import check, check_refreshed, connect, entries, insert
from tests.service.rollups.hierarchy.witness import EPOCH, Span, changed
from tests.support.rollups import refresh

TABLES = ("traces", "rollup_log", "rollup_stale", "rollup_version", "rollup_dirty", "rollup_unparted")


AT_ONCE = Schedule()


class ConnectionLostError(Exception):
    """As a worker sees it that is killed."""


class Interruptible(asyncpg.Connection):
    """A real connection that goes away before one of its statements."""

    remaining: int | None = None

    @override
    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        self._next()
        return await super().execute(query, *args, **options)

    @override
    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        self._next()
        return await super().fetch(query, *args, **options)

    def _next(self) -> None:
        if self.remaining is not None:
            self.remaining -= 1
            if self.remaining < 0:
                self.terminate()
                raise ConnectionLostError


class Scenario:
    """Each method is something that happens; `check` may be called after any of them."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url = url
        self.connection = connection
        self.spans: list[Span] = []
        self.keys: Counter[tuple[str, datetime]] = Counter()
        self.raw = EPOCH
        self._made = 0
        self._running: dict[int, AsyncGenerator[Any, None]] = {}

    async def close(self) -> None:
        for steps in self._running.values():
            await steps.aclose()
        await self.connection.close()

    async def check(self) -> None:
        await check(self.connection, self.spans, self.keys)

    def living(self, number: int) -> Span | None:
        """A row that writers may still change."""
        spans = [span for span in self.spans if span.ts >= self.raw]
        return spans[number % len(spans)] if spans else None

    async def insert(self, rows: Sequence[dict[str, Any]]) -> None:
        spans = [Span(trace_id=f"t{self._made + n}", **fields) for n, fields in enumerate(rows)]
        self._made += len(spans)
        spans = [changed(span, ts=max(span.ts, self.raw)) for span in spans]
        await insert(self.connection, spans)
        self._written(spans)
        self.spans += spans

    async def update(self, old: Span, **changes: Any) -> None:
        """By one statement."""
        new = changed(old, **changes)
        sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(changes, start=2))
        await self.connection.execute(f"UPDATE traces SET {sets} WHERE trace_id = $1", old.trace_id, *changes.values())
        self._written([old, new])
        self.spans[self.spans.index(old)] = new

    async def swap(self, one: Span, other: Span, column: str) -> None:
        """Exchanges a value by one statement: the sums of the two rows together stay."""
        if one is other:
            return
        values = getattr(one, column), getattr(other, column)
        await self.connection.execute(
            f"UPDATE traces AS t SET {column} = o.{column} FROM traces AS o "
            "WHERE (t.trace_id, o.trace_id) IN (($1, $2), ($2, $1))",
            one.trace_id,
            other.trace_id,
        )
        self._written([one, other])
        self.spans[self.spans.index(one)] = changed(one, **{column: values[1]})
        self.spans[self.spans.index(other)] = changed(other, **{column: values[0]})

    async def delete(self, old: Span) -> None:
        await self.connection.execute("DELETE FROM traces WHERE trace_id = $1", old.trace_id)
        self._written([old])
        self.spans.remove(old)

    async def truncate(self, moment: datetime) -> None:
        """The partition with this moment, where the edition has partitions that can be named."""
        row = await self.connection.fetchrow(
            "SELECT to_regclass('traces_partitions') IS NOT NULL AS native, floor FROM rollup_floor"
        )
        if not row["native"]:
            return
        row = await self.connection.fetchrow(
            "SELECT quote_ident(name) AS name, lower_bound, upper_bound FROM traces_partitions "
            "WHERE lower_bound <= $1 AND upper_bound > $1",
            moment,
        )
        if row is not None and row["lower_bound"] >= self.raw:
            await self.connection.execute(f"TRUNCATE {row['name']}")
            gone = [span for span in self.spans if row["lower_bound"] <= span.ts < row["upper_bound"]]
            self._written(gone)
            self.spans = [span for span in self.spans if span not in gone]

    async def refresh(self, schedule: Schedule = AT_ONCE) -> None:
        await refresh(self.connection, schedule)

    async def advance(self, number: int, organisation: str, schedule: Schedule) -> None:
        """One transaction of one of several refreshers, which go on where they are."""
        steps = self._running.setdefault(number, Refresher(self.connection, organisation, schedule).steps())
        try:
            await anext(steps)
        except StopAsyncIteration:
            del self._running[number]

    async def killed(self, organisation: str, statements: int) -> None:
        """A refresh whose process is gone after so many statements."""
        dying = await connect(self.url, connection_class=Interruptible)
        dying.remaining = statements
        try:
            with contextlib.suppress(ConnectionLostError, asyncpg.InterfaceError):
                async for _ in Refresher(dying, organisation).steps():
                    pass
        finally:
            dying.terminate()

    async def end(self, table: str, until: datetime, *, delete: bool) -> None:
        """Moves the horizon of a rollup, and deletes the rows below it unless somebody was killed in between."""
        if table == "part":  # late rows are added to what parts say, so they stay as long as raw
            until = min(until, self.raw)
        await self.connection.execute(
            "UPDATE rollup_horizon SET floor = $2 WHERE name = $1 AND floor < $2", table, until
        )
        if delete:
            async with self.connection.transaction():
                await self.connection.execute(
                    f"DELETE FROM rollup_{table} WHERE bucket < (SELECT floor FROM rollup_horizon WHERE name = $1)",
                    table,
                )
                await self.connection.execute("UPDATE rollup_horizon SET deleted_until = floor WHERE name = $1", table)

    async def end_raw(self, until: datetime) -> None:
        """Once nothing below is stale, as retention does it."""
        if until > self.raw:
            await self.refresh()
            await self.connection.execute("UPDATE rollup_floor SET floor = $1", until)
            await self.connection.execute("DELETE FROM traces WHERE ts < $1", until)
            self.raw = until

    async def check_refreshed(self) -> None:
        await self.refresh()
        await check_refreshed(self.connection, self.spans, self.keys)

    def _written(self, spans: Sequence[Span]) -> None:
        self.keys += entries(spans)


async def a_scenario(url: str) -> Scenario:
    """In an empty database, whatever was in it before."""
    connection = await connect(url)
    names = await connection.fetchval(
        "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class AS c WHERE relkind = 'r' "
        "AND relname IN (SELECT 'rollup_' || name FROM rollup_horizon) OR relname = ANY($1::text[])",
        [*TABLES, "rollup_dimension"],
    )
    await connection.execute(f"TRUNCATE {names}")
    await connection.execute("UPDATE rollup_floor SET floor = DEFAULT")
    await connection.execute("UPDATE rollup_horizon SET floor = DEFAULT, deleted_until = DEFAULT")
    return Scenario(url, connection)
