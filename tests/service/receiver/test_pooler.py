"""Behind PgBouncer in transaction mode rows are stored as through a direct connection."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.otlp import Span, encoded, send
from tests.support.pgbouncer import pooled
from tests.support.postgres import Server
from tests.support.service import Client, a_service

pytestmark = pytest.mark.postgres
NOW = datetime.now(UTC)


@pytest.fixture(params=["refuses our settings", "drops our settings"])
async def behind(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Client]:
    dropped = "jit,search_path,statement_timeout,extra_float_digits,timezone,plan_cache_mode,enable_seqscan"
    ignored = dropped if request.param == "drops our settings" else ""
    with pooled(database_url, ignore_startup_parameters=ignored) as url:
        async with a_service(url) as client:
            yield client


async def test_spans_of_many_at_once_are_stored_once(behind: Client, database_url: str, postgres: Server) -> None:
    """In groups, with spans that continue traces, on days that have no partition yet."""
    batches = [
        [
            Span(number=number, trace=1 + number % 7, ts=NOW - timedelta(days=number % 5))
            for number in range(start, start + 10)
        ]
        for start in range(1, 201, 10)
    ]
    for _ in range(2):
        answers = await asyncio.gather(*(send(behind, encoded(batch)) for batch in batches))
        assert {(answer.status, answer.body) for answer in answers} == {(200, b"")}
    found = postgres.sql(
        "SELECT count(*), trim_scale(sum(total_cost_usd)) FROM traces", database=database_url.rsplit("/", 1)[1]
    )
    assert found.strip() == "200|0.7"
    key = {"Idempotency_Key": "once"}
    body = b'{"ts": "' + NOW.isoformat().encode() + b'", "model": "m"}'
    first, again = [await send(behind, body, "application/json", path="/api/v1/traces", **key) for _ in range(2)]
    assert (first.data, "Idempotency-Replayed" in again.headers) == (again.data, True)
