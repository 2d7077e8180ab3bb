"""TimescaleDB's licence went from community to Apache: what it stored is hidden or locked then, and that is said."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.database import edition
from analytics_service.database.edition import Edition
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from tests.support.eventually import eventually
from tests.support.postgres import Server
from tests.support.service import T0, a_row, a_service, insert

pytestmark = pytest.mark.postgres


@pytest.fixture
async def community_url(edition_url: str) -> str:
    """A database of the community edition."""
    connection = await asyncpg.connect(edition_url)
    found = (await edition.inspect(connection)).edition
    await connection.close()
    if found is not Edition.COMMUNITY:
        pytest.skip("only TimescaleDB's community edition has a licence to lose")
    return edition_url


@contextmanager
def apache(server: Server) -> Iterator[None]:
    """The server runs under the Apache licence."""
    server.sql("ALTER SYSTEM SET timescaledb.license = 'apache'", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.sql("ALTER SYSTEM SET timescaledb.license = 'timescale'", "SELECT pg_reload_conf()")


async def licensed(url: str, licence: str) -> None:
    """New sessions have it."""

    async def has() -> bool:
        connection = await asyncpg.connect(url)
        shown = await connection.fetchval("SELECT current_setting('timescaledb.license')")
        await connection.close()
        return bool(shown == licence)

    await eventually(has)


COMPRESSED = (
    "ALTER TABLE traces SET (timescaledb.compress, timescaledb.compress_segmentby = 'org_id, model')",
    "SELECT compress_chunk(c) FROM show_chunks('traces') AS c",
)
AGGREGATED = (
    """CREATE MATERIALIZED VIEW mine WITH (timescaledb.continuous) AS
    SELECT time_bucket('1 hour', ts), count(*) FROM traces GROUP BY 1 WITH NO DATA""",
)


@pytest.mark.parametrize(
    ("statements", "said", "hides"),
    [
        pytest.param(
            COMPRESSED, "1 compressed chunks of traces, which queries leave out", True, id="compressed chunks"
        ),
        pytest.param(AGGREGATED, "the continuous aggregate mine", False, id="a continuous aggregate"),
    ],
)
async def test_it_is_said_before_anything_is_written_or_answered(
    edition_server: Server,
    community_url: str,
    statements: tuple[str, ...],
    said: str,
    *,
    hides: bool,
) -> None:
    await insert(community_url, [a_row(1)])
    connection = await asyncpg.connect(community_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
    with apache(edition_server):
        await licensed(community_url, "apache")
        result = await migrate(community_url, load(), notify=lambda _: None)
        assert (result.succeeded, result.reason) == (False, "LicenceChanged")
        assert said in result.message
        async with a_service(community_url, ready=not hides) as client:
            asked: dict[str, Any] = {"metrics": "request_count", "from_": T0, "to": T0 + timedelta(hours=1)}
            answer = await client.get("/api/v1/metrics", **asked)
            ready = await client.request("GET", "/health/ready")
        assert (answer.status, ready.status) == ((503, 503) if hides else (200, 200))
    await licensed(community_url, "timescale")
    async with a_service(community_url) as client:
        health = json.loads((await client.request("GET", "/health")).body)
        assert (health["status"], health["edition"]) == ("healthy", "timescaledb-community")
    assert (await migrate(community_url, load(), notify=lambda _: None)).reason == "UpToDate"
