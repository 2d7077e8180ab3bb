"""Random writes, refreshes, ends of rows, restarts and questions in random order: the answer is always the ledger's."""

import asyncio
import os
import random
from contextlib import aclosing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_service.policies.apply import COMPRESSIBLE
from analytics_service.rollups.hierarchy.refresh import Refresher
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.levels import Level as LegacyLevel
from analytics_service.rollups.levels import Level
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.rollups import retain_rollup
from tests.service.rollups.ledger import (
    DAY,
    EPOCH,
    SUMMED,
    Horizons,
    Span,
    answered,
    expected,
    insert,
    lost,
    moved,
)
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

DAYS = 3
SECONDS = DAYS * 86_400
ON_A_BOUNDARY = st.integers(0, DAYS * 96).map(lambda quarter: quarter * 900)
NEAR_A_BOUNDARY = st.builds(lambda moment, off: min(max(moment + off, 0), SECONDS), ON_A_BOUNDARY, st.integers(-61, 61))
MOMENT = st.one_of(ON_A_BOUNDARY, NEAR_A_BOUNDARY, st.integers(0, SECONDS)).map(lambda n: DAY + timedelta(seconds=n))
COST = st.one_of(st.none(), st.decimals(0, 10, places=8), st.decimals(0, 1, places=12))
VALUE = st.one_of(st.none(), st.integers(0, 9), st.just(2**63 - 1))
FIELDS = st.fixed_dictionaries(
    {
        "ts": MOMENT,
        "prompt_tokens": VALUE,
        "duration_us": VALUE,
        "total_cost_usd": COST,
        "model": st.sampled_from(["", "gpt-4", "größer"]),
        "project_id": st.sampled_from(["", "p"]),
        "status_code": st.sampled_from(["OK", "ERROR", "UNSET"]),
        "is_request": st.booleans() | st.just(value=True),
        "request_weight": st.sampled_from([1, 1, 1, 7]),
        "org_id": st.sampled_from(["acme", "acme", "other"]),
    }
)
LEVEL = st.sampled_from([Level.RAW, *SUMMED])
STOP = st.none() | st.integers(1, 20)
"""After so many steps whoever ends rows is gone."""
STEP = st.one_of(
    st.tuples(st.just("insert"), st.lists(FIELDS, min_size=1, max_size=12)),
    st.tuples(st.just("update"), st.integers(0, 99), FIELDS),
    st.tuples(st.just("delete"), st.integers(0, 99)),
    st.tuples(st.just("refresh"), st.none()),
    st.tuples(st.just("refresh some"), st.integers(1, 9)),
    st.tuples(st.just("end"), st.just("raw") | st.sampled_from(Table), st.integers(0, DAYS), STOP),
    st.tuples(st.sampled_from(["restart", "compress"]), st.none()),
    st.tuples(st.just("ask"), LEVEL, MOMENT, MOMENT),
)
TABLES = (
    *("traces", "rollup_log", "rollup_stale", "rollup_dimension", "rollup_version", "dropped_partition"),
    *(table.sql for table in Table),
    *("rollup_dirty", *(level.table for level in LegacyLevel)),
)
REFUSALS = (asyncpg.CheckViolationError, asyncpg.DuplicateTableError)
"""The latter where a partition was detached, and not dropped yet."""
IS_COMMUNITY = "SELECT current_setting('timescaledb.license', true) = 'timescale'"
FLOORS = "SELECT name, greatest(floor, '1970-01-01T00:00:00Z') FROM rollup_horizon WHERE name = ANY($1)"
RAW_FLOOR = "SELECT greatest(floor, '1970-01-01T00:00:00Z') FROM rollup_floor"


class World:
    """The database and the ledger side by side."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url = url
        self.connection = connection
        self.ledger: list[Span] = []
        self.made = 0
        self.floor = EPOCH
        """Raw rows before it are refused, and may be gone."""
        self.floors = dict.fromkeys(Table, EPOCH)
        self.ended: dict[str, datetime] = dict.fromkeys(("raw", *Table), EPOCH)
        """The latest end that somebody asked for."""

    @property
    def living(self) -> list[int]:
        """The numbers of the rows that writers may still change."""
        return [number for number, span in enumerate(self.ledger) if span.ts >= self.floor]

    async def insert(self, rows: list[dict[str, Any]]) -> None:
        new = [Span(trace_id=f"t{self.made + n}", **fields) for n, fields in enumerate(rows)]
        self.made += len(new)
        if late := [span for span in new if span.ts < self.floor]:
            with pytest.raises(REFUSALS, match=r"no longer kept|already exists"):
                await insert(self.connection, late)
        kept = [span for span in new if span.ts >= self.floor]
        await insert(self.connection, kept)
        self.ledger += kept

    async def end(self, table: Table | None, until: datetime, stop: int | None) -> None:
        """As the worker does it, unless it is stopped before it is done; raw where there is no table."""
        if table is Table.PART:
            until = min(until, self.floor)
        self.ended[table or "raw"] = max(self.ended[table or "raw"], until)
        done = 0
        async with aclosing(
            retain_raw(self.connection, until)
            if table is None
            else retain_rollup(self.connection, table, until, batch=3)
        ) as steps:
            async for _ in steps:
                done += 1
                if done == stop:
                    break
        self.floor = await self.connection.fetchval(RAW_FLOOR)
        self.floors = {Table(name): floor for name, floor in await self.connection.fetch(FLOORS, list(Table))}
        assert self.floor <= self.ended["raw"]
        assert all(floor <= self.ended[each] for each, floor in self.floors.items())
        if table is None and (stop is None or done < stop):
            assert self.floor >= until
            assert await self.connection.fetchval("SELECT count(*) FROM traces WHERE ts < $1", self.floor) == 0

    async def restart(self) -> None:
        await self.connection.close()
        self.connection = await asyncpg.connect(self.url)

    async def compress(self) -> None:
        """All chunks, where the edition can."""
        if await self.connection.fetchval(IS_COMMUNITY):
            await self.connection.execute(COMPRESSIBLE)
            await self.connection.fetch("SELECT compress_chunk(c, true) FROM show_chunks('traces') AS c")

    async def refresh_some(self, transactions: int) -> None:
        """As a worker that is killed after some transactions."""
        async with aclosing(Refresher(self.connection, "acme").steps()) as steps:
            async for _ in steps:
                transactions -= 1
                if not transactions:
                    break

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("insert", rows):
                await self.insert(rows)
            case ("update", number, fields) if self.living:
                old = self.ledger.pop(self.living[number % len(self.living)])
                # a row of a hypertable cannot be moved to another chunk
                fields = {**fields, "ts": old.ts.replace(minute=fields["ts"].minute)}
                sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(fields, start=2))
                await self.connection.execute(
                    f"UPDATE traces SET {sets} WHERE trace_id = $1", old.trace_id, *fields.values()
                )
                self.ledger.append(moved(old, **fields))
            case ("delete", number) if self.living:
                old = self.ledger.pop(self.living[number % len(self.living)])
                await self.connection.execute("DELETE FROM traces WHERE trace_id = $1", old.trace_id)
            case ("refresh", _):
                await refresh(self.connection)
            case ("refresh some", number):
                await self.refresh_some(number)
            case ("end", name, day, stop):
                await self.end(None if name == "raw" else Table(name), DAY + timedelta(days=day), stop)
            case (("restart" | "compress") as what, _):
                await (self.restart() if what == "restart" else self.compress())
            case ("ask", level, start, end):
                await self.ask(level, min(start, end), max(start, end))
            case _:  # nothing to update or delete
                pass

    async def ask(self, level: Level, start: datetime, end: datetime) -> None:
        """Also about what is no longer kept, which is named and counts nowhere."""
        if start == end:
            return
        horizons = Horizons(raw=self.floor, rollups=self.floors)
        kept = [span for span in self.ledger if horizons.counts(span.ts, level, start, end)]
        assert await answered(self.connection, level, start, end) == expected(kept, start, end, level)
        assert await lost(self.connection, level, start, end) == horizons.lost(level, start, end)


async def play(url: str, steps: list[tuple[Any, ...]]) -> None:
    world = World(url, await asyncpg.connect(url))
    try:
        async for _ in retain_raw(world.connection, None):
            pass  # else detached partitions of the last time stay
        await world.connection.execute(f"TRUNCATE {', '.join(TABLES)}")
        for name in ("rollup_floor", "rollup_level", "rollup_horizon"):
            done = "dropped_until" if name == "rollup_floor" else "deleted_until"
            await world.connection.execute(f"UPDATE {name} SET floor = DEFAULT, {done} = DEFAULT")
        for step in steps:
            await world.do(step)
        for level in (Level.RAW, *SUMMED):
            await world.ask(level, DAY - timedelta(days=1), DAY + timedelta(days=DAYS + 1))
        await refresh(world.connection)
        for level in SUMMED:
            await world.ask(level, DAY, DAY + timedelta(days=DAYS))
    finally:
        await world.connection.close()


def test_every_answer_equals_the_ledger(edition_url: str) -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "60")))
        @given(st.lists(STEP, min_size=1, max_size=25))
        def check(steps: list[tuple[Any, ...]]) -> None:
            runner.run(play(edition_url, steps))

        check()


async def test_any_range_over_half_dirty_buckets_equals_raw(edition_url: str) -> None:
    generator = random.Random(7)
    ledger = [
        Span(
            trace_id=f"t{n}",
            ts=DAY + timedelta(seconds=generator.randrange(SECONDS)),
            prompt_tokens=n,
            total_cost_usd=Decimal(n).scaleb(-8),
        )
        for n in range(2000)
    ]
    connection = await asyncpg.connect(edition_url)
    try:
        await insert(connection, ledger)
        async with aclosing(Refresher(connection, "acme").steps()) as steps:
            for _ in range(9):  # minutes alone, and of half of the range
                await anext(steps)
        await insert(connection, [moved(span, trace_id=f"late{span.trace_id}") for span in ledger[:40]])
        ledger += [moved(span, trace_id=f"late{span.trace_id}") for span in ledger[:40]]
        for _ in range(60):
            start, end = sorted(DAY + timedelta(seconds=generator.randrange(-9000, SECONDS + 9000)) for _ in "ab")
            level = generator.choice([Level.RAW, *SUMMED])
            assert await answered(connection, level, start, end) == expected(ledger, start, end, level), level
    finally:
        await connection.close()
