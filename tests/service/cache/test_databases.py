"""Answers in Redis are of one database: none of another comes out, however alike the two of them are.

Two databases have the same versions where their rows were written alike, so each case writes as many rows of one as of
the other, and the rows tell which one answered.
"""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import jwt
import pytest

from analytics_service.rollups import versions
from tests.support.eventually import eventually
from tests.support.postgres import Server, a_copy, a_standby
from tests.support.redis import RedisServer
from tests.support.service import HOUR, SECRET, T0, Client, a_row, a_service, claims, insert

pytestmark = pytest.mark.postgres


async def models(client: Client) -> list[str]:
    answered = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
    return [row["model"] for row in answered.data]


async def answered(url: str, redis: RedisServer) -> list[str]:
    """The models of the newest rows first, from a pod that has just started, once the answer is in Redis."""
    async with a_service(url, REDIS_URL=redis.url) as client:
        found = await models(client)
        await eventually(partial(holds_an_answer, redis))
        return found


async def holds_an_answer(redis: RedisServer) -> bool:
    return any(redis.client.scan_iter("analytics:answer:*"))


async def test_two_databases_of_a_server_share_a_redis(postgres: Server, redis: RedisServer) -> None:
    with postgres.database(migrated=True) as one, postgres.database(migrated=True) as other:
        await insert(one, [a_row(model="one")])
        await insert(other, [a_row(model="other")])
        async with a_service(one, REDIS_URL=redis.url) as client, a_service(other, REDIS_URL=redis.url) as second:
            assert (await models(client), await models(second)) == (["one"], ["other"])


async def test_a_database_is_dropped_and_made_again(postgres: Server, redis: RedisServer) -> None:
    with postgres.database(migrated=True) as url:
        await insert(url, [a_row(model="before")])
        assert await answered(url, redis) == ["before"]
        name = urlsplit(url).path[1:]
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {postgres.template[0]}")
        await insert(url, [a_row(model="after")])
        assert await answered(url, redis) == ["after"]


async def test_a_dump_is_restored_into_the_same_database(postgres: Server, redis: RedisServer, tmp_path: Path) -> None:
    with postgres.database(migrated=True) as url:
        await insert(url, [a_row(model="dumped")])
        postgres.dump(url, tmp_path / "dump")
        await insert(url, [a_row(1, model="lost")])
        assert await answered(url, redis) == ["lost", "dumped"]
        postgres.restore(url, tmp_path / "dump")
        await insert(url, [a_row(1, model="after")])
        assert await answered(url, redis) == ["after", "dumped"]


async def test_a_data_directory_is_copied_and_started_twice(primary: Server, redis: RedisServer) -> None:
    with primary.database(migrated=True) as url, a_copy(primary) as copied:
        other = copied.named(urlsplit(url).path[1:])
        await insert(url, [a_row(model="first")])
        await insert(other, [a_row(model="copy")])
        assert await answered(url, redis) == ["first"]
        assert await answered(other, redis) == ["copy"]


async def test_a_standby_is_promoted_that_has_not_received_everything(primary: Server, redis: RedisServer) -> None:
    with primary.database(migrated=True) as url, a_standby(primary) as standby:
        name = urlsplit(url).path[1:]
        await insert(url, [a_row(model="received")])
        await eventually(partial(shows, standby, "1", "SELECT count(*) FROM traces", database=name))
        standby.sql("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        await eventually(partial(shows, standby, "0", "SELECT count(*) FROM pg_stat_wal_receiver"))
        await insert(url, [a_row(1, model="lost")])
        assert await answered(url, redis) == ["lost", "received"]
        assert standby.control is not None
        standby.control("promote")
        successor = standby.named(name)
        await insert(successor, [a_row(1, model="after")])
        assert await answered(successor, redis) == ["after", "received"]


async def test_a_server_recovers_from_a_killed_process(primary: Server) -> None:
    """Without synchronous_commit it may have lost rows that were seen."""
    with primary.database(migrated=True) as url:
        await insert(url, [a_row()])
        before = await version(url)
        assert await version(url) == before
        primary.sql("CHECKPOINT")  # whether it loses rows depends on the moment; here it loses none
        connection = await asyncpg.connect(url)
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        await eventually(partial(has_another_version, url, before))


async def shows(server: Server, text: str, *statements: str, database: str = "postgres") -> bool:
    return server.sql(*statements, database=database).strip() == text


async def has_another_version(url: str, before: str) -> bool:
    try:
        return await version(url) != before
    except (asyncpg.PostgresError, OSError):  # while it recovers
        return False


async def version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        asked = versions.query("acme")
        (row,) = await connection.fetch(asked.sql, *asked.args)
        return versions.of_row(*row).of(T0, T0 + HOUR)
    finally:
        await connection.close()


async def test_cursors_of_an_old_secret_are_not_answered_from_the_cache(database_url: str, redis: RedisServer) -> None:
    await insert(database_url, [a_row(number) for number in range(3)])
    new = SECRET[::-1]
    span: dict[str, Any] = {"from_": T0, "to": T0 + HOUR, "limit": 1}
    async with a_service(database_url, REDIS_URL=redis.url) as client:
        await client.get("/api/v1/traces", **span)
        await eventually(partial(holds_an_answer, redis))
    async with a_service(database_url, REDIS_URL=redis.url, JWT_SECRET=new) as client:
        client.token = jwt.encode(claims(), new, algorithm="HS256")
        page = await client.get("/api/v1/traces", **span)
        following = await client.get("/api/v1/traces", cursor=page.json["pagination"]["cursor"], **span)
        assert [row["trace_id"] for row in following.data] == ["trace-00001"]
