"""Who keeps vacuum from dead rows is named, without what clients wrote; and who does not is left out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from analytics_service.database.activity import Activity
from analytics_service.database.diagnostics import Finding, Verdict, diagnose
from analytics_service.database.snapshots import MAX_TRANSACTIONS, HolderKind, SnapshotHolder, snapshot_holders
from analytics_service.worker.snapshots import SnapshotWatch
from tests.support.eventually import eventually
from tests.support.postgres import PASSWORD, Server, a_standby

pytestmark = pytest.mark.postgres

NOW = timedelta(0)
NEXT_TRANSACTION = "SELECT txid_current()"
QUARTER = 15 * 60


@pytest.fixture
async def connection(empty_edition_url: str) -> AsyncIterator[Any]:
    """Of whoever looks."""
    opened = await asyncpg.connect(empty_edition_url)
    await opened.execute("CREATE TABLE notes (n int, s text)")
    yield opened
    await opened.close()


@asynccontextmanager
async def session(url: str, application: str = "night report") -> AsyncIterator[Any]:
    opened = await asyncpg.connect(url, server_settings={"application_name": application})
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def a_writer(url: str, application: str = "night report") -> AsyncIterator[Any]:
    """Idle in a transaction that wrote."""
    async with session(url, application) as opened, opened.transaction():
        await opened.execute("INSERT INTO notes VALUES (4711, 'my name is Ann')")
        yield opened


@asynccontextmanager
async def a_reader(url: str, application: str = "night report") -> AsyncIterator[Any]:
    """Idle in a transaction that keeps its snapshot."""
    async with session(url, application) as opened, opened.transaction(isolation="repeatable_read"):
        await opened.fetchval("SELECT count(*) FROM notes WHERE s = 'Ann'")
        yield opened


async def holders(connection: Any) -> list[SnapshotHolder]:
    """Of sessions that tests opened: the store's own background workers have snapshots too."""
    every = await snapshot_holders(connection)
    assert every is not None
    return [each for each in every if each.kind is not HolderKind.PROCESS or each.activity.application]


async def of(connection: Any, other: Any) -> SnapshotHolder | None:
    pid = str(other.get_server_pid())
    return next((each for each in await holders(connection) if each.name == pid), None)


async def finding(connection: Any, max_age: timedelta = NOW) -> Finding:
    findings = await diagnose(connection, pool_size=1, max_snapshot_age=max_age)
    return next(each for each in findings if each.check == "snapshots")


async def test_a_stuck_writer_is_named_until_it_ends(empty_edition_url: str, connection: Any) -> None:
    async with a_writer(empty_edition_url) as writer:
        holder = await of(connection, writer)
        assert holder is not None
        pid = writer.get_server_pid()
        assert str(holder).startswith(
            f"process {pid} of {holder.activity.user} (night report), idle in transaction for "
        )
        assert str(holder).endswith(" s: INSERT INTO notes VALUES (?, ?)")
        shown = await finding(connection)
        assert shown.verdict is Verdict.WARNING
        assert f"vacuum waits for process {pid} of" in shown.message
        assert f"SELECT pg_terminate_backend({pid}) ends it; idle_in_transaction_session_timeout" in shown.message
        assert "Ann" not in shown.message
        assert (await finding(connection, timedelta(days=1))).verdict is Verdict.OK
    assert await of(connection, writer) is None


async def test_a_snapshot_is_old_once_others_wrote(empty_edition_url: str, connection: Any) -> None:
    async with a_reader(empty_edition_url) as reader:
        await connection.fetchval(NEXT_TRANSACTION)
        holder = await of(connection, reader)
        assert holder is not None
        assert holder.transactions >= 1
        assert str(holder).endswith("SELECT count(*) FROM notes WHERE s = ?")


async def test_what_holds_nothing_is_left_out(edition_server: Server, empty_edition_url: str, connection: Any) -> None:
    with edition_server.database(migrated=False) as elsewhere:
        async with session(elsewhere) as other, session(empty_edition_url) as reader, reader.transaction():
            await reader.execute("SELECT count(*) FROM notes")  # with a snapshot for this statement alone
            async with other.transaction(isolation="repeatable_read"):
                await other.fetchval(NEXT_TRANSACTION)
                assert await holders(connection) == []


async def test_a_vacuum_holds_nothing(empty_edition_url: str, connection: Any) -> None:
    await connection.execute("INSERT INTO notes SELECT n, repeat('x', 1000) FROM generate_series(1, 10000) AS n")
    async with session(empty_edition_url) as vacuum:
        pid = vacuum.get_server_pid()
        await vacuum.execute("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1")
        run = asyncio.create_task(vacuum.execute("VACUUM notes"))

        async def runs() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_stat_progress_vacuum WHERE pid = $1", pid))

        await eventually(runs)
        await connection.fetchval(NEXT_TRANSACTION)
        holding = "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = $1"
        assert await connection.fetchval(holding, pid), "or it need not be left out"
        assert await holders(connection) == []
        await connection.execute("SELECT pg_cancel_backend($1)", pid)
        with pytest.raises(asyncpg.QueryCanceledError):
            await run


async def test_a_backup_is_left_to_end(empty_edition_url: str, connection: Any) -> None:
    async with a_reader(empty_edition_url, "pg_dump") as backup:
        await connection.fetchval(NEXT_TRANSACTION)
        holder = await of(connection, backup)
        assert holder is not None
        assert holder.is_backup
        shown = (await finding(connection)).message
        assert ("a backup: let it end" in shown, "terminate" in shown) == (True, False)


async def test_what_the_server_hides_is_named_as_far_as_it_tells(
    edition_server: Server, empty_edition_url: str, connection: Any
) -> None:
    name = empty_edition_url.rpartition("/")[2]
    role = f"stranger_{name}"
    edition_server.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    scheme, rest = empty_edition_url.split("://")
    try:
        async with a_writer(empty_edition_url) as writer:
            stranger = await asyncpg.connect(f"{scheme}://{role}:{quote(PASSWORD)}@{rest.rpartition('@')[2]}")
            try:
                holder = await of(stranger, writer)
                assert holder is not None
                assert (holder.activity.seconds, holder.is_old(NOW)) == (None, False)
                who = f"process {writer.get_server_pid()} of {holder.activity.user} (night report)"
                assert str(holder).startswith(f"{who}: only members of pg_read_all_stats see its state and statement")
                assert str(holder).endswith(f", {holder.transactions} transactions ago")
                assert replace(holder, transactions=MAX_TRANSACTIONS).is_old()
                now = 0.0
                watch = SnapshotWatch(clock=lambda: now)
                assert (await watch(stranger))["oldest_snapshot_seconds"] == 0, "counted from the first look"
                now += QUARTER
                (old,) = (await watch(stranger))["old_snapshots"]
                assert old["seconds"] == QUARTER
                assert old["message"].startswith(f"{who}, for 900 s: only members of pg_read_all_stats")
                edition_server.sql("REVOKE SELECT ON pg_stat_activity FROM PUBLIC", database=name)
                assert await snapshot_holders(stranger) is None
                assert (await finding(stranger)).message == "the server does not tell which are open"
                assert (await watch(stranger))["oldest_snapshot_seconds"] is None
            finally:
                await stranger.close()
    finally:
        edition_server.sql(f"DROP ROLE {role}")


async def test_a_prepared_transaction_is_named_by_its_gid(empty_edition_url: str, connection: Any) -> None:
    if await connection.fetchval("SELECT current_setting('max_prepared_transactions')") == "0":
        pytest.skip("the server prepares no transactions")
    gid = f"order {empty_edition_url.rpartition('/')[2]}"
    await connection.execute(f"BEGIN; INSERT INTO notes VALUES (1); PREPARE TRANSACTION '{gid}'")
    try:
        (holder,) = await holders(connection)
        shown = await finding(connection)
    finally:
        await connection.execute(f"ROLLBACK PREPARED '{gid}'")
    assert str(holder).startswith(f"prepared transaction {gid} of {holder.activity.user}, prepared for ")
    assert f"ROLLBACK PREPARED '{gid}'" in shown.message
    assert await holders(connection) == []


async def test_a_query_of_a_standby_is_named_and_so_is_its_slot_when_it_is_gone(primary: Server) -> None:
    feedback = ("hot_standby_feedback = on", "wal_receiver_status_interval = '1s'")
    with a_standby(primary) as standby:
        assert standby.control is not None
        standby.sql(*(f"ALTER SYSTEM SET {setting}" for setting in feedback), "SELECT pg_reload_conf()")
        async with session(primary.url) as connection, session(standby.url) as reader:
            async with reader.transaction(isolation="repeatable_read"):
                await reader.execute("SELECT 1")

                async def walsender() -> bool:
                    await connection.fetchval(NEXT_TRANSACTION)
                    return [each.kind for each in await holders(connection)] == [HolderKind.WALSENDER]

                await eventually(walsender, seconds=30)
                (holder,) = await holders(connection)
                assert str(holder).startswith(
                    f"walsender {holder.name} of postgres (walreceiver), active: START_REPLICATION"
                )
                assert holder.activity.seconds is None

            primary.sql("SELECT pg_create_physical_replication_slot('nightly')")
            standby.sql("ALTER SYSTEM SET primary_slot_name = 'nightly'", "SELECT pg_reload_conf()")

            async def slot(condition: str) -> bool:
                return bool(await connection.fetchval(f"SELECT {condition} FROM pg_replication_slots"))

            await eventually(partial(slot, "xmin IS NOT NULL"), seconds=30)
            standby.control("stop", "-m", "immediate")
            await eventually(partial(slot, "NOT active"), seconds=30)
            await connection.fetchval(NEXT_TRANSACTION)
            (holder,) = await holders(connection)
            shown = await finding(connection)
            reader.terminate()
    assert str(holder).startswith("replication slot nightly, inactive for ")
    assert "SELECT pg_drop_replication_slot('nightly')" in shown.message


@pytest.mark.parametrize(
    ("kind", "state", "cure"),
    [
        (HolderKind.PROCESS, "active", "SELECT pg_terminate_backend(7) ends it"),
        (HolderKind.WALSENDER, "active", "hot_standby_feedback"),
        (HolderKind.SLOT, "active", "hot_standby_feedback"),
        (HolderKind.SLOT, "inactive", "pg_drop_replication_slot('7')"),
    ],
)
def test_each_kind_has_a_cure(kind: HolderKind, state: str, cure: str) -> None:
    holder = SnapshotHolder(
        kind=kind,
        name="7",
        activity=Activity(state=state),
        started_at=None,
        own_xid=None,
        snapshot_xid=90,
        transactions=5,
    )
    assert cure in holder.cure
    assert "timeout" not in holder.cure
