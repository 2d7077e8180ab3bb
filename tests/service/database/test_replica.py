"""A replica answers where it has every row that there is; whatever happens to it, the primary answers instead."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from analytics_service import settings
from analytics_service.database.pool import Database
from analytics_service.database.query import Query
from analytics_service.database.replica import Reader, Replica
from tests.support.eventually import eventually
from tests.support.postgres import Server, a_standby, running
from tests.support.postgres import _embedded as embedded
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
    return await client.metric("db_reads_total", server=server)


@asynccontextmanager
async def serving(url: str, replica: str, **environment: Any) -> AsyncIterator[Client]:
    async with a_service(url, DATABASE_READONLY_URL=replica, **environment) as client:
        yield client


async def used(client: Client, *, up: bool = True) -> None:
    async def known() -> bool:
        return bool(await client.metric("db_replica_up") == up)

    await eventually(known, seconds=60)


async def test_every_row_is_there_the_moment_it_was_written(url: str, standby: Server) -> None:
    await insert(url, [a_row(0)])
    async with serving(url, on(standby, url)) as client:
        await used(client)
        for number in range(1, 40):
            await insert(url, [a_row(number)])
            assert await count(client) == number + 1
        assert await reads(client, "replica") > 20
        assert await client.metric("db_replica_lag_seconds") < 5


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
        assert await client.metric("db_replica_lag_seconds") > 1
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
    found = Replica(primary=primary, database=Database(), max_lag=5)
    await primary.connect(loaded)
    await found.connect(settings.load({"DATABASE_URL": replica, "DATABASE_MIN_CONNECTIONS": "1"}))
    try:
        yield Reader(primary=primary, replica=found)
    finally:
        await found.close()
        await primary.close()


async def test_a_statement_that_replay_cancels_is_the_primary_s(url: str, standby: Server) -> None:
    """Vacuum takes rows away that a reader of the replica still sees."""
    await insert(url, [a_row(number) for number in range(50)])
    standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()")
    loaded = settings.load({"DATABASE_URL": url, "DATABASE_MIN_CONNECTIONS": "1"})
    slow = Query(sql="SELECT count(*) AS n, pg_sleep(3), pg_is_in_recovery() AS replica FROM traces")
    async with following(url, on(standby, url), loaded) as reader:
        replica = reader.replica
        assert replica is not None

        async def ready() -> bool:
            return replica.problem is None

        await eventually(ready, seconds=60)
        task = asyncio.create_task(reader.fetch(slow, since=0, timeout=30))
        await asyncio.sleep(0.5)
        await execute(url, "DELETE FROM traces WHERE trace_id <> ''")
        await execute(url, "VACUUM traces")
        (row,) = await task
    assert (row["replica"], row["n"]) == (False, 0)


async def test_without_a_replica_nothing_is_asked_of_the_log(database_url: str) -> None:
    async with a_service(database_url) as client:
        await client.get("/api/v1/metrics", metrics="request_count", from_=T0, to=T0 + HOUR)
        page: Any = await client.request("GET", "/health")
        assert page.status == 200
        assert await reads(client, "primary") == 1
