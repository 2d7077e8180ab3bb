"""A store is converted while writers, readers and refreshes of both releases go on."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from analytics_service.rollups.conversion.convert import batches
from analytics_service.rollups.hierarchy.refresh import Refresher
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.refresh import refresh_before, refresh_unit, units_before
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import requests
from tests.service.rollups.new_tables import made_of_raw
from tests.service.rollups.old_stores import (
    DAY,
    DAYS,
    END,
    ORGANISATIONS,
    START,
    TODAY,
    a_copy,
    check_clean_buckets,
    connected,
)
from tests.support.old_store import fill, migrated
from tests.support.postgres import Server
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres


class Interleaving:
    """Writers, refreshes of before and of today, and the conversion, one step of somebody after another."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.chance = random.Random(seed)
        self.number = 0
        self.open: list[tuple[Any, Any]] = []
        self.conversions: dict[str, Any] = {}

    async def play(self, steps: int) -> None:
        self.connection = await connected(self.url)
        self.converting = await connected(self.url)
        self.conversions = {name: batches(self.converting, name) for name in ORGANISATIONS}
        actions = [self.write, self.begin, self.commit, self.delete, self.refresh_before, self.refresh, self.convert]
        for _ in range(steps):
            await self.chance.choice(actions)()
        while self.open:
            await self.commit()
        for each in self.conversions.values():
            async for _ in each:
                pass
        await self.connection.close()
        await self.converting.close()

    async def _write(self, connection: Any) -> None:
        self.number += 1
        first = START + self.chance.random() * (END - START)
        last = first + self.chance.choice([timedelta(minutes=1), timedelta(hours=9)])
        count = self.chance.randrange(1, 6)
        prefix = f"w{self.number}x"
        await fill(connection, first, last, count, organisations=[self.chance.choice(ORGANISATIONS)], prefix=prefix)

    async def write(self) -> None:
        await self._write(self.connection)

    async def begin(self) -> None:
        connection = await connected(self.url)
        transaction = connection.transaction()
        await transaction.start()
        await self._write(connection)
        self.open.append((connection, transaction))

    async def commit(self) -> None:
        if self.open:
            connection, transaction = self.open.pop(self.chance.randrange(len(self.open)))
            await transaction.commit()
            await connection.close()

    async def delete(self) -> None:
        day = START + self.chance.randrange(DAYS + 1) * DAY
        inside = "org_id = $1 AND ts >= $2 AND ts < $3"
        some = f"SELECT trace_id FROM traces WHERE {inside} AND hashtext(trace_id) % 9 = 0 LIMIT 3"
        statement = f"DELETE FROM traces WHERE {inside} AND trace_id IN ({some})"
        await self.connection.execute(statement, self.chance.choice(ORGANISATIONS), day, day + DAY)

    async def refresh_before(self) -> None:
        units = await units_before(self.connection)
        for unit in self.chance.sample(units, min(len(units), self.chance.choice([1, 5, 100]))):
            await refresh_unit(self.connection, unit)

    async def refresh(self) -> None:
        left = self.chance.choice([1, 2, 100])
        async for _ in Refresher(self.connection, self.chance.choice(ORGANISATIONS)).steps():
            left -= 1
            if not left:
                break

    async def convert(self) -> None:
        name = self.chance.choice(ORGANISATIONS)
        await anext(self.conversions[name], None)


@pytest.mark.parametrize("seed", range(12))
async def test_no_interleaving_loses_or_doubles_anything(
    postgres: Server, old_stores: dict[int, str], seed: int
) -> None:
    with a_copy(postgres, postgres.named(old_stores[300])) as url:
        before = [each for each in load() if each.number < 15]
        result = await migrate(url, before, notify=lambda _: None)
        assert result.succeeded, result.message
        await Interleaving(url, seed).play(30)
        await migrated(url)
        await check_clean_buckets(postgres, url)


async def test_nothing_is_lost_while_everybody_goes_on(postgres: Server, old_store: str) -> None:
    """Writers, and refreshes of both logs, beside the conversion at once."""
    stop = asyncio.Event()

    async def again(action: Any) -> None:
        connection = await connected(old_store)
        try:
            while not stop.is_set():
                await action(connection)
        finally:
            await connection.close()

    numbers = iter(range(10**6))

    async def write(connection: Any) -> None:
        number = next(numbers)
        first = START + random.Random(number).random() * (TODAY - START)
        last = first + timedelta(hours=1)
        await fill(connection, first, last, 3, organisations=ORGANISATIONS[number % 3 :][:1], prefix=f"s{number}x")
        await asyncio.sleep(0.02)

    async def refresh_log_of_before(connection: Any) -> None:
        if await connection.fetchval("SELECT to_regclass('rollup_unparted') IS NOT NULL"):
            await refresh_before(connection)
        await asyncio.sleep(0.05)

    async def refresh_today(connection: Any) -> None:
        if await connection.fetchval("SELECT to_regclass('rollup_unparted') IS NOT NULL"):
            await refresh(connection)
        await asyncio.sleep(0.3)

    async with asyncio.TaskGroup() as tasks:
        for action in (write, write, refresh_log_of_before, refresh_today):
            tasks.create_task(again(action))
        await asyncio.sleep(0.3)
        await migrated(old_store)
        stop.set()
    await check_clean_buckets(postgres, old_store)


LEVELS = {Level.DAY_USER: "user_id", Level.DAY_TEAM: "team_id", Level.DAY_TAG: "tag", Level.HOUR: "status_code"}


async def answers(connection: Any, start: datetime, end: datetime) -> dict[Any, Any]:
    """What is asked about a range, from every family of rollups."""
    found: dict[Any, Any] = {}
    for level, key in LEVELS.items():
        rows = await connection.fetch(
            f"""{requests(level)} SELECT {key}, model, sum(request_count), sum(duration_us_sum), sum(total_tokens_sum)
            FROM requests GROUP BY 1, 2""",
            *("größer", None, start, end),
        )
        found[level] = {tuple(row) for row in rows}
    registers = "users CROSS JOIN unnest(codes) AS code"
    users = f"SELECT code / 128 AS register, max(code) FROM {registers} WHERE code >= 0 GROUP BY 1"
    bins = "latency CROSS JOIN unnest(codes, counts) AS e (code, n)"
    histogram = f"SELECT code, sum(n) FROM {bins} WHERE code IS NOT NULL GROUP BY 1"
    sketches = {Table.USERS_6HOUR: users, Table.LATENCY_1DAY: histogram}
    for table, select in sketches.items():
        rows = await connection.fetch(f"{requests(Level.HOUR, table)} {select}", "größer", None, start, end)
        found[table] = {tuple(row) for row in rows}
    return found


async def test_answers_about_converted_days_are_those_of_raw(postgres: Server, old_store: str) -> None:
    await migrated(old_store)
    connection = await connected(old_store)
    late = START + DAY + timedelta(hours=7)
    await fill(connection, late, late + timedelta(hours=2), 5, organisations=["größer"], prefix="late2")
    await connection.close()
    with a_copy(postgres, old_store) as copy:
        await made_of_raw(copy)
        connection, right = await connected(old_store), await connected(copy)
        chance = random.Random(5)
        minutes = int((END - START) / timedelta(minutes=1))
        for number in range(24):
            if number == 16:
                await refresh(connection)
            step = chance.choice([1, 15, 60, 1440])
            first, last = sorted(
                START + chance.randrange(minutes // step + 1) * step * timedelta(minutes=1) for _ in "ab"
            )
            last += timedelta(minutes=step)
            assert await answers(connection, first, last) == await answers(right, first, last), (first, last)
        await connection.close()
        await right.close()
