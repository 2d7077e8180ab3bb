import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from analytics_service.database.connect import application_name
from analytics_service.database.failures import FailureReason, classify
from analytics_service.database.pool import Database
from analytics_service.database.query import Query
from analytics_service.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable, QueryTimeout, SchemaIncompatible
from analytics_service.settings import Settings
from tests.support.eventually import eventually
from tests.support.postgres import PASSWORD, Server

pytestmark = pytest.mark.postgres

SLEEP = Query(sql="SELECT pg_sleep(30)")
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
LAST_WORD = b"E" + struct.pack("!I", len(_FIELDS) + 4) + _FIELDS
"""What a server sends to a session that it ends."""


def the_settings(url: str, *, size: int = 2, statement_timeout: int = 30) -> Settings:
    return Settings(
        database_url=SecretStr(url),
        database_pool_size=size,
        database_min_connections=1,
        database_statement_timeout_seconds=statement_timeout,
    )


async def until_ready(database: Database) -> None:
    async def ready() -> bool:
        return database.state.ready

    await eventually(ready)


async def until_problem(database: Database, words: str) -> None:
    async def told() -> bool:
        return words in (database.state.problem or "")

    await eventually(told)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(acquire_seconds=2)  # a new connection takes a while on a busy machine
    await opened.connect(the_settings(database_url))
    await until_ready(opened)
    yield opened
    await opened.close()


async def test_rows_come_from_sessions_in_utc_with_a_timeout_and_without_jit(database: Database) -> None:
    shown = "SELECT current_setting(name) FROM unnest($1::text[]) AS name"
    names = ["timezone", "statement_timeout", "jit", "search_path", "application_name"]
    rows = await database.fetch(Query(sql=shown, args=(names,)))
    assert [row[0] for row in rows] == ["UTC", "30s", "off", "public", application_name("service")]
    assert await database.fetch_value(Query(sql="SELECT 41 + $1::int", args=(1,))) == 42


async def test_only_a_search_is_planned_for_its_own_values(database: Database) -> None:
    """Of a statement that is prepared the server tells whether its plans were for one value or for all."""
    query = Query(sql="SELECT current_setting('plan_cache_mode') AS mode, $1::int AS one", args=(1,))
    for searches, mode in ((True, "force_custom_plan"), (False, "force_generic_plan")):
        for _ in range(3):
            (row,) = await database.fetch(replace(query, searches=searches))
            assert row["mode"] == mode
        assert await kept(database, query.sql) == (None if searches else 2)


async def kept(database: Database, sql: str) -> object:
    """How often a statement was run by its plan for all values; None of one that is not kept."""
    asked = "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE $1 || '%' AND custom_plans = 0"
    return await database.fetch_value(Query(sql=asked, args=(sql[:60],)))


async def test_statements_that_are_asked_for_once_evict_no_other(database: Database) -> None:
    """More of them than a connection keeps: searches, however often they come, and what nobody asks for again."""
    dashboard = Query(sql="SELECT $1::int AS dashboard", args=(1,))
    for _ in range(2):
        await database.fetch(dashboard)
    for number in range(40):
        once = Query(sql=f"SELECT $1::int AS once_{number}", args=(1,))
        search = Query(sql=f"SELECT $1::int AS search_{number % 35}", args=(1,), searches=True)
        for query in (once, search, search):
            assert [tuple(row) for row in await database.fetch(query, timeout=5)] == [(1,)]
    await database.fetch(dashboard)
    assert await kept(database, dashboard.sql) == 2


async def test_a_statement_of_any_length_is_planned_once(database: Database) -> None:
    long = Query(sql=f"SELECT $1::int AS of_{'a' * 50} -- {' ' * 100_000}", args=(1,))
    for _ in range(3):
        await database.fetch(long)
    assert await kept(database, long.sql) == 2


async def test_a_query_ends_at_its_deadline_also_on_the_server(database: Database) -> None:
    with pytest.raises(QueryTimeout):
        await database.fetch(SLEEP, timeout=0.1)
    assert await sleeping(database) == 0


async def test_a_query_ends_at_the_statement_timeout(database_url: str) -> None:
    database = Database()
    await database.connect(the_settings(database_url, statement_timeout=1))
    try:
        await until_ready(database)
        with pytest.raises(QueryTimeout):
            await database.fetch(SLEEP)
    finally:
        await database.close()


async def test_a_cancelled_caller_cancels_the_statement(database: Database) -> None:
    task = asyncio.create_task(database.fetch(SLEEP))
    await eventually(lambda: sleeping(database))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await sleeping(database) == 0


async def sleeping(database: Database) -> object:
    active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    return await database.fetch_value(Query(sql=active))


async def test_who_finds_no_connection_free_is_told_so_in_time(database: Database) -> None:
    tasks = [asyncio.create_task(database.fetch(SLEEP)) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(DatabaseBusy):
        await database.fetch(Query(sql="SELECT 1"))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_to_wait_for_a_connection_is_part_of_a_querys_time(database_url: str) -> None:
    database = Database(acquire_seconds=30)
    await database.connect(the_settings(database_url, size=1))
    await until_ready(database)
    task = asyncio.create_task(database.fetch(SLEEP))
    await asyncio.sleep(0.05)
    with pytest.raises(DatabaseBusy, match=r"within 0\.2 s"):
        await database.fetch(Query(sql="SELECT 1"), timeout=0.2)
    task.cancel()
    await asyncio.wait({task})
    await database.close()


async def test_who_would_wait_behind_too_many_is_told_so_at_once(database_url: str) -> None:
    database = Database(acquire_seconds=30)
    await database.connect(the_settings(database_url, size=1))
    await until_ready(database)
    tasks = [asyncio.create_task(database.fetch(SLEEP)) for _ in range(21)]
    await asyncio.sleep(0.05)
    assert database.waiting == 20
    with pytest.raises(DatabaseBusy, match="20 queries wait"):
        await database.fetch(Query(sql="SELECT 1"))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await database.fetch_value(Query(sql="SELECT 1")) == 1
    await database.close()


async def test_it_comes_up_later_than_the_service(postgres: Server, empty_url: str) -> None:
    database = Database()
    await database.connect(the_settings(empty_url))
    try:
        with pytest.raises(DatabaseUnavailable):
            await database.fetch(Query(sql="SELECT 1"))
        await until_problem(database, "migrate")
        assert not database.state.ready
    finally:
        await database.close()


async def test_a_database_that_cannot_be_reached_is_named_without_the_password() -> None:
    database = Database()
    await database.connect(the_settings(f"postgres://user:{PASSWORD}@127.0.0.1:1/none"))
    try:
        await until_problem(database, "no connection")
        assert PASSWORD not in str(database.state)
        assert not database.state.connected_once
    finally:
        await database.close()


async def test_a_lost_connection_is_an_error_once_and_replaced_then(database: Database, database_url: str) -> None:
    other = await asyncpg.connect(database_url)
    try:
        task = asyncio.create_task(database.fetch(SLEEP))
        await eventually(lambda: sleeping(database))
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'analytics-service/%'"
        )
        await other.execute(f"{others} AND datname = current_database()")
        with pytest.raises(DatabaseUnavailable):
            await task
    finally:
        await other.close()
    assert await database.fetch_value(Query(sql="SELECT 1")) == 1
    assert database.state.ready


async def test_a_changed_table_does_not_break_a_prepared_statement(database: Database, database_url: str) -> None:
    other = await asyncpg.connect(database_url)
    try:
        await other.execute("CREATE TABLE shapes (a int); INSERT INTO shapes VALUES (1)")
        query = Query(sql="SELECT * FROM shapes")
        await asyncio.gather(*(database.fetch(query) for _ in range(4)))
        await other.execute("ALTER TABLE shapes ADD COLUMN b int DEFAULT 2")
        assert [tuple(row) for row in await database.fetch(query)] == [(1, 2)]
    finally:
        await other.close()


async def test_a_missing_column_is_an_incompatible_schema(database: Database) -> None:
    with pytest.raises(SchemaIncompatible):
        await database.fetch(Query(sql="SELECT no_such_column FROM traces"))


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(Query(sql="SELECT 1 / 0"), id="refused by the server"),
        pytest.param(Query(sql="SELECT $1::int", args=("one",)), id="refused by the client"),
    ],
)
async def test_a_refused_statement_is_no_lost_database(database: Database, query: Query) -> None:
    with pytest.raises(DatabaseError) as caught:
        await database.fetch(query)
    assert type(caught.value) is DatabaseError
    assert database.state.reachable


async def test_a_service_whose_connections_are_all_busy_is_still_there(database: Database) -> None:
    async def all_busy() -> bool:
        return database.connections() == (2, 0)

    tasks = [asyncio.create_task(database.fetch(SLEEP)) for _ in range(2)]
    await eventually(all_busy)
    await database._check_schema()
    assert database.state.reachable
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def test_a_protocol_out_of_step_is_a_lost_connection_and_no_wrong_url() -> None:
    error = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    failure = classify(error, f"postgres://user:{PASSWORD}@host/name")
    assert failure.reason is FailureReason.UNREACHABLE
    assert failure.message == f"there is no connection to the database ({error})"
    nobody = classify(asyncpg.TargetServerAttributeNotMatched("no host is a primary"), "")
    assert nobody.message == "DATABASE_URL cannot be used to connect (no host is a primary)"


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_a_connection_that_the_server_ended_while_it_was_idle_costs_no_query(
    database_url: str, *, in_transaction: bool
) -> None:
    """Its last word has arrived, and its end has not: a relay keeps the connection open."""
    server = urlsplit(database_url)
    clients: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(server.hostname, server.port)
        clients.append(writer)
        await asyncio.gather(copy(reader, ours), copy(theirs, writer))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
        target.close()

    async def backend() -> object:
        asked = Query(sql="SELECT pg_backend_pid()")
        if not in_transaction:
            return await database.fetch_value(asked)
        async with database.transaction(readonly=False, timeout=10) as statements:
            return (await statements.fetch(asked))[0][0]

    listener = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    database = Database()
    await database.connect(the_settings(database_url.replace(f":{server.port}/", f":{port}/"), size=1))
    await until_ready(database)
    try:
        before = await backend()
        for client in clients:
            if not client.is_closing():
                client.write(LAST_WORD)
        await asyncio.sleep(0.05)  # it arrives; the outcome is the same where it does not
        assert await backend() != before
        assert database.state.reachable
    finally:
        await database.close()
        listener.close()
