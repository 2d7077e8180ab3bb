"""Stores of earlier releases are converted exactly: every rollup of today is then what it is when made of raw."""

import asyncio
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from analytics_service.commands.migrate_progress import RollupConversion
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from analytics_service.rollups.conversion.convert import batches
from analytics_service.rollups.hierarchy.refresh import Refresher, refresh
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.refresh import refresh_before, refresh_unit, units_before
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import requests
from release.page import Release
from tests.service.rollups.new_tables import KEPT_BY_BEFORE, contents, differences, made_of_raw, stale_buckets
from tests.support.environment import program_environment
from tests.support.eventually import eventually
from tests.support.old_store import fill, migrated, migrated_by, partition, refreshed_by, retained_by
from tests.support.postgres import Server
from tests.support.releases import UPGRADABLE

pytestmark = pytest.mark.postgres

BASELINE = UPGRADABLE[-1]
ORGANISATIONS = ["acme", "größer", "other"]
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
DAYS = 4
START, END = TODAY - DAYS * DAY, TODAY + timedelta(hours=6)
BLOCKED = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
"""


async def connected(url: str) -> Any:
    return await asyncpg.connect(url, server_settings={"timezone": "UTC", "jit": "off"})


async def an_old_store(url: str, rows: int, release: Release = BASELINE) -> None:
    """Refreshed, but for a few rows that came late to two of its days, and those of its last hours."""
    migrated_by(release, url)
    connection = await connected(url)
    await partition(connection, START, TODAY + DAY)
    await fill(connection, START, END - timedelta(hours=2), rows, organisations=ORGANISATIONS)
    refreshed_by(release, url)
    late = START + DAY + timedelta(hours=5)
    await fill(connection, late, late + timedelta(hours=24), 6, organisations=["acme"], prefix="late")
    await fill(connection, END - timedelta(hours=2), END, rows // 50, organisations=ORGANISATIONS, prefix="open")
    await connection.close()


@contextmanager
def a_copy(server: Server, url: str) -> Iterator[str]:
    name = url.rpartition("/")[2]
    server.sql(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    try:
        yield server.named(f"{name}_copy")
    finally:
        server.sql(f"DROP DATABASE {name}_copy WITH (FORCE)")


async def of_raw(server: Server, url: str) -> Any:
    with a_copy(server, url) as copy:
        return await made_of_raw(copy)


async def check_clean_buckets(server: Server, url: str) -> None:
    """What no reader takes from elsewhere is what raw has; and so is all of it once it was refreshed."""
    connection = await connected(url)
    before = await contents(connection)
    stale = await stale_buckets(connection, before)
    await connection.close()
    expected = await of_raw(server, url)
    connection = await connected(url)
    stale = {table: stale[table] | more for table, more in (await stale_buckets(connection, expected)).items()}
    clean, right = (
        {table: {row for row in rows if row[:2] not in stale[table]} for table, rows in each.items()}
        for each in (before, expected)
    )
    assert differences(clean, right) == {}
    await refresh(connection)
    assert differences(await contents(connection), expected) == {}
    await connection.close()


@pytest.fixture(scope="module")
def old_stores(postgres: Server) -> Iterator[dict[int, str]]:
    """Stores of the first release by their number of rows, for tests to copy."""
    stores = {}
    for rows in (300, 2_400):
        name = f"old_store_{rows}"
        postgres.sql(f"CREATE DATABASE {name}")
        with asyncio.Runner() as runner:
            runner.run(an_old_store(postgres.named(name), rows))
        stores[rows] = name
    yield stores
    for name in stores.values():
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def old_store(postgres: Server, old_stores: dict[int, str]) -> Iterator[str]:
    with a_copy(postgres, postgres.named(old_stores[2_400])) as url:
        yield url


@pytest.mark.parametrize("release", UPGRADABLE, ids=lambda release: release.version)
async def test_every_rollup_is_then_what_raw_makes(
    edition_server: Server, empty_edition_url: str, release: Release
) -> None:
    await an_old_store(empty_edition_url, 900, release)
    await migrated(empty_edition_url)
    await check_clean_buckets(edition_server, empty_edition_url)


async def test_days_that_the_log_of_before_does_not_name_are_not_read_again(postgres: Server, old_store: str) -> None:
    result = await migrated(old_store)
    assert "converted 15 days" in result.message
    connection = await connected(old_store)
    named = await connection.fetch("SELECT DISTINCT org_id, date_bin('1 day', minute, 'epoch') AS d FROM rollup_log")
    late = {("acme", START + DAY), ("acme", START + 2 * DAY)}
    assert {tuple(row) for row in named} == late | {(name, TODAY) for name in ORGANISATIONS}
    assert await connection.fetchval("SELECT count(*) FROM rollup_unparted") == len(ORGANISATIONS) * DAYS - len(late)
    await connection.close()
    await check_clean_buckets(postgres, old_store)


async def test_changes_of_converted_days_are_right(postgres: Server, old_store: str) -> None:
    await migrated(old_store)
    connection = await connected(old_store)
    await refresh(connection)
    await fill(connection, START, START + 2 * DAY, 20, organisations=["other"], prefix="more")
    gone = "DELETE FROM traces WHERE org_id = 'other' AND ts >= $1 AND ts < $2 AND (user_id = 'u7' OR model = 'model3')"
    await connection.execute(gone, START + 3 * DAY, START + 4 * DAY)
    moved = (
        "UPDATE traces SET team_id = 'new', user_id = 'somebody' WHERE org_id = 'größer' AND ts < $1 AND tags = '{b}'"
    )
    await connection.execute(moved, START + timedelta(hours=3))
    await connection.close()
    await check_clean_buckets(postgres, old_store)
    connection = await connected(old_store)
    left = {(row["org_id"], row["day"]) for row in await connection.fetch("SELECT * FROM rollup_unparted")}
    await connection.close()
    assert not left & {("other", START), ("other", START + DAY), ("other", START + 3 * DAY), ("größer", START)}
    assert ("größer", START + DAY) in left


async def test_days_whose_raw_rows_are_gone_are_copied(postgres: Server, old_store: str) -> None:
    refreshed_by(BASELINE, old_store)
    expected_of_all = await of_raw_of_today(postgres, old_store)
    connection = await connected(old_store)
    horizon, minutes = START + 2 * DAY, START + 3 * DAY
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("DELETE FROM traces WHERE ts < $1", horizon)
    await connection.execute("RESET session_replication_role")
    await connection.execute("UPDATE rollup_floor SET floor = $1, dropped_until = $1", horizon)
    await connection.execute("UPDATE rollup_level SET floor = $1 WHERE level IN ('1min', '1hour_users')", minutes)
    await connection.execute("DELETE FROM rollup_1min WHERE bucket < $1", minutes - timedelta(hours=3))
    await connection.close()
    await migrated(old_store)
    connection = await connected(old_store)
    await refresh(connection)
    found = await contents(connection)
    await connection.close()
    since = {Table.TOTALS_1MIN: minutes, Table.USERS_1HOUR: minutes, Table.USERS_6HOUR: minutes}
    expected = {
        table: {row for row in rows if row[1] >= since.get(table, START)} for table, rows in expected_of_all.items()
    }
    assert differences(found, expected) == {}


async def of_raw_of_today(server: Server, url: str) -> Any:
    with a_copy(server, url) as copy:
        await migrated(copy)
        return await made_of_raw(copy)


async def test_a_killed_run_goes_on(postgres: Server, old_store: str) -> None:
    chance = random.Random(11)
    for _ in range(6):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "analytics_service", "migrate"),
            env=program_environment(DATABASE_URL=old_store),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        while line := await process.stderr.readline():
            if b"converting" in line:
                break
        await asyncio.sleep(chance.uniform(0, 0.4))
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
    await migrated(old_store)
    await check_clean_buckets(postgres, old_store)


async def test_a_writer_of_before_that_is_under_way_is_waited_for(postgres: Server, old_store: str) -> None:
    writer, watcher = await connected(old_store), await connected(old_store)
    transaction = writer.transaction()
    await transaction.start()
    await fill(writer, START, START + DAY, 10, organisations=["other"], prefix="open transaction")
    run = asyncio.create_task(migrated(old_store))
    await eventually(lambda: watcher.fetchval(BLOCKED))
    await transaction.commit()
    await run
    await writer.close()
    await watcher.close()
    await check_clean_buckets(postgres, old_store)


async def test_workers_of_before_end_no_raw_rows_that_a_rollup_of_today_needs(postgres: Server, old_store: str) -> None:
    await migrated(old_store)
    expected = await of_raw(postgres, old_store)
    last = UPGRADABLE[0]
    refreshed_by(last, old_store)
    assert "rollups wait for rows before" in retained_by(last, old_store, START + 3 * DAY)
    connection = await connected(old_store)
    await refresh(connection)
    assert retained_by(last, old_store, START + 3 * DAY) == ""
    assert await connection.fetchval("SELECT min(ts) FROM traces") >= START + 3 * DAY
    assert differences(await contents(connection), expected) == {}
    await connection.close()


async def test_a_dry_run_names_what_would_be_converted_and_changes_nothing(postgres: Server, old_store: str) -> None:
    before = postgres.schema(old_store)
    lines: list[str] = []
    conversion = RollupConversion(Console(file=StringIO()))
    result = await migrate(old_store, load(), dry_run=True, notify=lines.append, conversion=conversion)
    assert result.succeeded
    assert "would convert rollups of 15 days of 3 organisations, about" in lines[-1]
    assert postgres.schema(old_store) == before


async def test_a_run_without_time_is_gone_on_with(postgres: Server, old_store: str) -> None:
    conversion = RollupConversion(Console(file=StringIO()))
    for seconds in (0.5, 0.7, 0.9):
        await migrate(old_store, load(), timeout_seconds=seconds, notify=lambda _: None, conversion=conversion)
    await migrated(old_store)
    await check_clean_buckets(postgres, old_store)


async def test_a_run_that_does_not_convert_is_refused(old_store: str) -> None:
    result = await migrate(old_store, load(), notify=lambda _: None)
    assert not result.succeeded
    assert "are not converted" in result.message


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


def test_all_tables_of_before_are_compared() -> None:
    assert len(KEPT_BY_BEFORE) == len(Table) - 2
