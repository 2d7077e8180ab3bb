"""A replica answers where it has every row that there is; whatever happens to it, the primary answers instead."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from analytics_service import settings
from analytics_service.database.pool import Database
from analytics_service.database.query import Query
from analytics_service.database.replica import READONLY_URL, Reader, Replica
from tests.support.eventually import eventually
from tests.support.postgres import PASSWORD, Server, a_standby, embedded, running
from tests.support.service import HOUR, T0, Client, a_row, a_service, execute, insert

pytestmark = pytest.mark.postgres

NOW = {"Cache-Control": "no-cache"}


@pytest.fixture
def standby(primary: Server) -> Iterator[Server]:
    primary.sql("ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")  # as servers usually have it
    with a_standby(primary) as server:
        yield server


@pytest.fixture
def url(primary: Server, standby: Server) -> Iterator[str]:
    with primary.database(migrated=True) as found:
        yield found


def on(server: Server, url: str) -> str:
    return server.named(urlsplit(url).path[1:])


async def count(client: Client) -> int:
    """Of the rows that there are now."""
    answer = await client.get("/api/v1/metrics", headers=NOW, metrics="request_count", from_=T0, to=T0 + HOUR)
    return sum(int(point["request_count"]) for point in answer.data["data"])


async def reads(client: Client, server: str) -> float:
    return await client.metric("analytics_db_reads_total", server=server)


@asynccontextmanager
async def serving(url: str, replica: str, **environment: Any) -> AsyncIterator[Client]:
    async with a_service(url, DATABASE_READONLY_URL=replica, **environment) as client:
        yield client


async def used(client: Client, *, up: bool = True) -> None:
    async def known() -> bool:
        return bool(await client.metric("analytics_db_replica_up") == up)

    await eventually(known, seconds=60)


async def test_every_row_is_there_the_moment_it_was_written(url: str, standby: Server) -> None:
    await insert(url, [a_row(0)])
    async with serving(url, on(standby, url)) as client:
        await used(client)
        for number in range(1, 40):
            await insert(url, [a_row(number)])
            assert await count(client) == number + 1
        assert await reads(client, "replica") > 20
        assert await client.metric("analytics_db_replica_lag_seconds") < 5


async def test_a_replica_that_stands_still_is_not_believed(url: str, standby: Server) -> None:
    await insert(url, [a_row(0)])
    async with serving(url, on(standby, url), DATABASE_READONLY_MAX_LAG_SECONDS="1") as client:
        await used(client)
        standby.sql("SELECT pg_wal_replay_pause()")
        await insert(url, [a_row(1)])
        before = await reads(client, "replica")
        assert await count(client) == 2
        assert await reads(client, "replica") == before
        await used(client, up=False)
        assert await client.metric("analytics_db_replica_lag_seconds") > 1
        standby.sql("SELECT pg_wal_replay_resume()")
        await used(client)
        await insert(url, [a_row(2)])
        assert await count(client) == 3
        assert await reads(client, "replica") > before


async def test_a_replica_that_goes_is_missed_by_nobody(url: str, standby: Server) -> None:
    await insert(url, [a_row(0)])
    assert standby.control is not None
    async with serving(url, on(standby, url)) as client:
        await used(client)
        await asyncio.to_thread(standby.control, "stop", "-m", "immediate")
        for number in range(1, 10):
            await insert(url, [a_row(number)])
            assert await count(client) == number + 1
        await used(client, up=False)
        await asyncio.to_thread(standby.control, "start")
        await used(client)
        assert await count(client) == 10


async def test_one_that_was_promoted_goes_its_own_way(url: str, standby: Server) -> None:
    await insert(url, [a_row(0)])
    assert standby.control is not None
    async with serving(url, on(standby, url)) as client:
        await used(client)
        await asyncio.to_thread(standby.control, "promote")
        await execute(on(standby, url), "DELETE FROM traces")
        assert await count(client) == 1
        await used(client, up=False)


async def test_a_url_that_names_no_replica_of_this_server_is_not_used(url: str, primary: Server) -> None:
    await insert(url, [a_row(0)])
    async with serving(url, url) as client:
        assert await count(client) == 1
        assert await reads(client, "replica") == 0
    with running(embedded()) as other, a_standby(other) as theirs:
        name = urlsplit(url).path[1:]
        other.sql(f"CREATE DATABASE {name}")
        loaded = settings.load({"DATABASE_URL": url, "DATABASE_MIN_CONNECTIONS": "1"})
        async with following(url, on(theirs, url), loaded) as reader:
            assert reader.replica is not None
            replica = reader.replica

            async def judged() -> bool:
                return "needs" in str(replica.problem) or "another server" in str(replica.problem)

            await eventually(judged)


@asynccontextmanager
async def following(url: str, replica: str, loaded: settings.Settings) -> AsyncIterator[Reader]:
    primary = Database()
    found = Replica(primary=primary, database=Database(setting=READONLY_URL), max_lag=1)
    await primary.connect(loaded)
    await found.connect(settings.load({"DATABASE_URL": replica, "DATABASE_MIN_CONNECTIONS": "1"}))
    try:
        yield Reader(primary=primary, replica=found)
    finally:
        await found.close()
        await primary.close()


async def ready(reader: Reader) -> None:
    async def known() -> bool:
        return reader.replica is not None and reader.replica.problem is None

    await eventually(known, seconds=60)


async def test_a_statement_that_replay_cancels_is_the_primary_s(url: str, standby: Server) -> None:
    """Vacuum takes rows away that a reader of the replica still sees."""
    await insert(url, [a_row(number) for number in range(50)])
    standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()")
    loaded = settings.load({"DATABASE_URL": url, "DATABASE_MIN_CONNECTIONS": "1"})
    slow = Query(sql="SELECT count(*) AS n, pg_sleep(3), pg_is_in_recovery() AS replica FROM traces")
    async with following(url, on(standby, url), loaded) as reader:
        await ready(reader)
        task = asyncio.create_task(reader.fetch(slow, lsn=0, timeout=30))
        await asyncio.sleep(0.5)
        await execute(url, "DELETE FROM traces WHERE trace_id <> ''")
        await execute(url, "VACUUM traces")
        (row,) = await task
    assert (row["replica"], row["n"]) == (False, 0)


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """All of its processes, as on a machine that stands still: connections stay, and nobody answers."""
    pids = server.sql("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").split()
    pids.append(server.sql("SELECT pg_read_file('postmaster.pid')").split()[0])
    for pid in pids:
        os.kill(int(pid), signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(int(pid), signal.SIGCONT)


@pytest.mark.parametrize("searches", [False, True])
async def test_one_that_freezes_holds_nobody_up_for_long(url: str, standby: Server, *, searches: bool) -> None:
    await insert(url, [a_row(0)])
    loaded = settings.load({"DATABASE_URL": url, "DATABASE_MIN_CONNECTIONS": "1"})
    asked = Query(sql="SELECT pg_is_in_recovery() AS replica FROM traces", searches=searches)
    async with following(url, on(standby, url), loaded) as reader:
        await ready(reader)
        (row,) = await reader.fetch(asked, lsn=0, timeout=30)
        assert row["replica"]
        with frozen(standby):
            for _ in range(3):
                async with asyncio.timeout(5):
                    (row,) = await reader.fetch(asked, lsn=0, timeout=30)
                assert not row["replica"]
        await ready(reader)
        (row,) = await reader.fetch(asked, lsn=0, timeout=30)
        assert row["replica"]


async def test_a_primary_that_begins_a_segment_and_idles_is_not_ahead(
    url: str, primary: Server, standby: Server
) -> None:
    await insert(url, [a_row(0)])
    loaded = settings.load({"DATABASE_URL": url, "DATABASE_MIN_CONNECTIONS": "1"})
    async with following(url, on(standby, url), loaded) as reader:
        await ready(reader)
        primary.sql("SELECT pg_switch_wal()")
        await asyncio.sleep(3)  # more than its lag may be; the primary writes a record each 15 s by itself
        assert reader.replica is not None
        assert (reader.replica.problem, reader.replica.lag) == (None, 0)


async def test_a_user_who_may_not_ask_who_a_server_is_has_a_replica_too(
    url: str, primary: Server, standby: Server
) -> None:
    await insert(url, [a_row(0)])
    name = urlsplit(url).path[1:]
    primary.sql(
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
        "GRANT USAGE ON SCHEMA public TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        database=name,
    )
    ours, theirs = (each.replace("//postgres:", "//reader:") for each in (url, on(standby, url)))
    loaded = settings.load({"DATABASE_URL": ours, "DATABASE_MIN_CONNECTIONS": "1"})
    async with following(ours, theirs, loaded) as reader:
        await ready(reader)


async def test_without_a_replica_nothing_is_asked_of_the_log(database_url: str) -> None:
    async with a_service(database_url) as client:
        await client.get("/api/v1/metrics", metrics="request_count", from_=T0, to=T0 + HOUR)
        page: Any = await client.request("GET", "/health")
        assert page.status == 200
        assert await reads(client, "primary") == 1
