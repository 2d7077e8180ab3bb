"""Random writes, refreshes and questions in random order: the answer is always the ledger's."""

import asyncio
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_service.database.levels import ROLLUPS, Level
from analytics_service.database.refresh import refresh, refresh_unit, units
from tests.service.database.ledger import DAY, SUMMED, Span, answered, expected, insert, moved

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
        "org_id": st.sampled_from(["acme", "acme", "other"]),
    }
)
LEVEL = st.sampled_from([Level.RAW, *SUMMED])
STEP = st.one_of(
    st.tuples(st.just("insert"), st.lists(FIELDS, min_size=1, max_size=12)),
    st.tuples(st.just("update"), st.integers(0, 99), FIELDS),
    st.tuples(st.just("delete"), st.integers(0, 99)),
    st.tuples(st.just("refresh"), st.none()),
    st.tuples(st.just("refresh one"), st.integers(0, 99)),
    st.tuples(st.just("ask"), LEVEL, MOMENT, MOMENT),
)
TABLES = ("traces", "rollup_dirty", "rollup_version", *(level.table for level in ROLLUPS))


class World:
    """The database and the ledger side by side."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.ledger: list[Span] = []
        self.made = 0

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("insert", rows):
                new = [Span(trace_id=f"t{self.made + n}", **fields) for n, fields in enumerate(rows)]
                self.made += len(new)
                await insert(self.connection, new)
                self.ledger += new
            case ("update", number, fields) if self.ledger:
                old = self.ledger.pop(number % len(self.ledger))
                # a row of a hypertable cannot be moved to another chunk
                fields = {**fields, "ts": old.ts.replace(minute=fields["ts"].minute)}
                sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(fields, start=2))
                await self.connection.execute(
                    f"UPDATE traces SET {sets} WHERE trace_id = $1", old.trace_id, *fields.values()
                )
                self.ledger.append(moved(old, **fields))
            case ("delete", number) if self.ledger:
                old = self.ledger.pop(number % len(self.ledger))
                await self.connection.execute("DELETE FROM traces WHERE trace_id = $1", old.trace_id)
            case ("refresh", _):
                await refresh(self.connection)
            case ("refresh one", number):
                found = await units(self.connection)
                if found:
                    await refresh_unit(self.connection, found[number % len(found)])
            case ("ask", level, start, end):
                await self.ask(level, min(start, end), max(start, end))
            case _:  # nothing to update or delete
                pass

    async def ask(self, level: Level, start: Any, end: Any) -> None:
        assert await answered(self.connection, level, start, end) == expected(self.ledger, start, end, level.step)


async def play(connection: Any, steps: list[tuple[Any, ...]]) -> None:
    await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
    world = World(connection)
    for step in steps:
        await world.do(step)
    for level in (Level.RAW, *SUMMED):
        await world.ask(level, DAY - timedelta(days=1), DAY + timedelta(days=DAYS + 1))
    await refresh(connection)
    for level in SUMMED:
        await world.ask(level, DAY, DAY + timedelta(days=DAYS))


def test_every_answer_equals_the_ledger(edition_url: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(edition_url))

        @settings(
            max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
        )
        @given(st.lists(STEP, min_size=1, max_size=25))
        def check(steps: list[tuple[Any, ...]]) -> None:
            runner.run(play(connection, steps))

        try:
            check()
        finally:
            runner.run(connection.close())


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
        for unit in (await units(connection))[::2]:
            await refresh_unit(connection, unit)
        await insert(connection, [moved(span, trace_id=f"late{span.trace_id}") for span in ledger[:40]])
        ledger += [moved(span, trace_id=f"late{span.trace_id}") for span in ledger[:40]]
        for _ in range(60):
            start, end = sorted(DAY + timedelta(seconds=generator.randrange(-9000, SECONDS + 9000)) for _ in "ab")
            level = generator.choice([Level.RAW, *SUMMED])
            assert await answered(connection, level, start, end) == expected(ledger, start, end, level.step), level
    finally:
        await connection.close()
