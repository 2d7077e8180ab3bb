"""Behind PgBouncer in transaction mode, whose sessions change from one statement to the next, answers are the same."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from analytics_service.database.query import Query
from analytics_service.errors import QueryTimeout
from tests.support.pgbouncer import SESSIONS, pooled
from tests.support.service import HOUR, T0, Client, a_row, a_service, insert

pytestmark = pytest.mark.postgres

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/traces", {"include": "total,children"}),
    ("/api/v1/traces", {"sort_by": "duration_ms", "model": "m1", "tags": "a"}),
    ("/api/v1/metrics", {"metrics": "request_count,duration", "group_by": "model"}),
    ("/api/v1/metrics", {"metrics": "unique_users", "include_percentiles": True}),
    ("/api/v1/costs/summary", {"include_top_traces": True}),
]


@pytest.fixture(params=["refuses our settings", "drops our settings"])
async def behind(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Client]:
    ignored = "jit,search_path,statement_timeout,extra_float_digits" if request.param == "drops our settings" else ""
    await insert(database_url, [a_row(n, model=f"m{n % 3}", tags=["a"], duration_us=n * 1000) for n in range(30)])
    with pooled(database_url, ignore_startup_parameters=ignored) as url:
        async with a_service(url, DATABASE_POOL_SIZE="8", DATABASE_STATEMENT_TIMEOUT_SECONDS="7") as client:
            yield client


async def test_many_at_once_get_the_answers_of_a_direct_connection(behind: Client, database_url: str) -> None:
    async def ask(client: Client, number: int) -> Any:
        path, params = QUESTIONS[number % len(QUESTIONS)]
        return (await client.get(path, from_=T0, to=T0 + HOUR - number * HOUR / 3600, **params)).data

    found = await asyncio.gather(*(ask(behind, number) for number in range(100)))
    async with a_service(database_url) as direct:
        assert found == [await ask(direct, number) for number in range(100)]


async def test_every_statement_runs_with_our_settings(behind: Client) -> None:
    shown = "SELECT current_setting(name), pg_sleep(0.01) FROM unnest($1::text[]) AS name"
    names = ["timezone", "statement_timeout", "jit", "search_path", "transaction_read_only"]
    many = [behind.running.database.fetch(Query(sql=shown, args=(names,))) for _ in range(20)]
    for rows in await asyncio.gather(*many):
        assert [row[0] for row in rows] == ["UTC", "7s", "off", "public", "on"]


async def test_a_statement_that_fails_or_is_late_leaves_its_session_in_order(behind: Client) -> None:
    database = behind.running.database
    for _ in range(2 * SESSIONS):
        with pytest.raises(QueryTimeout):
            await database.fetch(Query(sql="SELECT pg_sleep(30)"), timeout=0.1)
    task = asyncio.create_task(database.fetch(Query(sql="SELECT pg_sleep(30)")))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait({task})
    rows = await asyncio.gather(*(database.fetch_value(Query(sql="SELECT 1")) for _ in range(20)))
    assert rows == [1] * 20
