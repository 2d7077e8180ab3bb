"""Stores of an earlier release to convert, and what they have to be then."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from release.page import Release
from tests.service.rollups.new_tables import contents, differences, made_of_raw, stale_buckets
from tests.support.old_store import fill, migrated_by, partition, refreshed_by
from tests.support.postgres import Server
from tests.support.releases import UPGRADABLE
from tests.support.rollups import refresh

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
