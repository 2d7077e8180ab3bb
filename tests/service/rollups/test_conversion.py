"""Stores of earlier releases are converted exactly: every rollup of today is then what it is when made of raw."""

import asyncio
import random
import signal
import sys
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from analytics_service.commands.migrate_progress import RollupConversion
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from analytics_service.rollups.hierarchy.tables import Table
from release.page import Release
from tests.service.rollups.new_tables import KEPT_BY_BEFORE, contents, differences, made_of_raw
from tests.service.rollups.old_stores import (
    BASELINE,
    BLOCKED,
    DAY,
    DAYS,
    ORGANISATIONS,
    START,
    TODAY,
    a_copy,
    an_old_store,
    check_clean_buckets,
    connected,
    of_raw,
)
from tests.support.environment import program_environment
from tests.support.eventually import eventually
from tests.support.old_store import REFRESH_OF_BEFORE, fill, migrated, refreshed_by, retained_by
from tests.support.postgres import Server
from tests.support.releases import UPGRADABLE
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres


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


async def test_workers_of_the_last_release_end_no_raw_rows_that_a_rollup_of_today_needs(
    postgres: Server, old_store: str
) -> None:
    await migrated(old_store)
    expected = await of_raw(postgres, old_store)
    last = UPGRADABLE[0]
    connection = await connected(old_store)
    if last.version in REFRESH_OF_BEFORE:  # a later one refreshes today's rollups itself before it ends rows
        refreshed_by(last, old_store)
        assert "rollups wait for rows before" in retained_by(last, old_store, START + 3 * DAY)
        await refresh(connection)
    assert retained_by(last, old_store, START + 3 * DAY) == ""
    assert await connection.fetchval("SELECT min(ts) FROM traces") >= START + 3 * DAY
    await refresh(connection)
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


def test_all_tables_of_before_are_compared() -> None:
    assert len(KEPT_BY_BEFORE) == len(Table) - 3
