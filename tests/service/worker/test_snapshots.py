"""The worker ages snapshots from look to look, and reports those that are old."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from analytics_service.database.activity import Activity
from analytics_service.database.snapshots import HolderKind, SnapshotHolder
from analytics_service.worker.snapshots import SnapshotWatch

pytestmark = pytest.mark.postgres

NEXT_TRANSACTION = "SELECT txid_current()"
QUARTER = 15 * 60
HOLDER = SnapshotHolder(
    kind=HolderKind.PROCESS,
    name="7",
    activity=Activity(application="etl", seconds=3600),
    started_at=None,
    own_xid=None,
    snapshot_xid=90,
    transactions=5,
)


@pytest.fixture
async def connection(empty_edition_url: str) -> AsyncIterator[Any]:
    """Of the worker."""
    opened = await asyncpg.connect(empty_edition_url)
    await opened.execute("CREATE TABLE notes (n int, s text)")
    yield opened
    await opened.close()


@pytest.fixture
async def other(empty_edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(empty_edition_url)
    yield opened
    await opened.close()


async def test_a_stuck_writer_grows_old_and_is_reported(connection: Any, other: Any) -> None:
    now = 0.0
    watch = SnapshotWatch(clock=lambda: now)
    assert (await watch(connection))["old_snapshots"] == []
    async with other.transaction():
        await other.execute("INSERT INTO notes VALUES (4711, 'my name is Ann')")
        now += 60
        first = await watch(connection)
        assert first["old_snapshots"] == []
        now += QUARTER
        seen = await watch(connection)
        assert seen["oldest_snapshot_seconds"] >= first["oldest_snapshot_seconds"] + QUARTER
        (old,) = seen["old_snapshots"]
        assert (old["seconds"], old["backup"]) == (seen["oldest_snapshot_seconds"], False)
        assert f"process {other.get_server_pid()} of" in old["message"]
        assert f"idle in transaction for {old['seconds']:.0f} s: INSERT INTO notes VALUES (?, ?)" in old["message"]
    assert (await watch(connection))["old_snapshots"] == []


async def test_a_transaction_that_takes_new_snapshots_does_not_grow_old(connection: Any, other: Any) -> None:
    now = 0.0
    watch = SnapshotWatch(clock=lambda: now)
    async with other.transaction():
        for _ in range(3):
            await other.execute("DECLARE pages CURSOR FOR SELECT generate_series(1, 100)")
            await connection.fetchval(NEXT_TRANSACTION)
            seen = await watch(connection)
            assert (seen["oldest_snapshot_seconds"] < QUARTER, seen["old_snapshots"]) == (True, [])
            await other.execute("CLOSE pages")
            now += QUARTER


def test_a_snapshot_that_the_last_look_did_not_see_is_younger_than_that() -> None:
    watch = SnapshotWatch()
    assert watch._since(HOLDER, 5000) == 1400, "at the first look its transaction's age is all that is known"
    watch._looked_at = 4940
    assert watch._since(HOLDER, 5000) == 4940
    unknown = replace(HOLDER, activity=Activity())
    assert watch._since(unknown, 5000) == 4940
    watch._seen[HOLDER.kind, HOLDER.name] = (unknown, 1000)
    assert watch._since(unknown, 5000) == 1000


def test_a_holder_is_known_again_by_its_transaction_or_snapshot() -> None:
    reader, writer = HOLDER, replace(HOLDER, own_xid=100, snapshot_xid=None)
    assert replace(writer, snapshot_xid=95).has_snapshot_of(writer), "it reads again"
    assert replace(reader, own_xid=100).has_snapshot_of(reader), "it wrote meanwhile"
    assert not replace(reader, snapshot_xid=91).has_snapshot_of(reader)
    assert not reader.has_snapshot_of(writer)
