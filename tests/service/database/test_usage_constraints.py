"""Usage is never negative, whoever writes it; what was stored before that was checked stays."""

from typing import Any

import asyncpg
import pytest

from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from tests.support.service import T0

pytestmark = pytest.mark.postgres

COLUMNS = (
    *("cache_write_5m_tokens", "cache_write_1h_tokens", "audio_input_tokens", "audio_output_tokens", "images"),
    *("web_searches", "audio_seconds", "billed_units"),
)
CHECKS = "SELECT bool_and(convalidated) FROM pg_constraint WHERE conname ~ '_not_negative$|_is_positive$'"


async def insert(connection: Any, **fields: int) -> None:
    names, values = ", ".join(fields), ", ".join(map(str, fields.values()))
    await connection.execute(
        f"INSERT INTO traces (org_id, trace_id, span_id, ts, {names}) VALUES ('acme', 't', 's', $1, {values})", T0
    )


@pytest.mark.parametrize("column", ["request_weight", *COLUMNS])
async def test_usage_below_zero_is_refused_in_old_and_new_partitions(database_url: str, column: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.fetchval("SELECT ensure_partitions($1, $1)", T0)
    with pytest.raises(asyncpg.CheckViolationError, match=column):
        await insert(connection, **{column: -1})
    await connection.close()


async def test_partitions_of_before_are_checked_and_rows_of_before_do_not_stop_a_migration(empty_url: str) -> None:
    before = [each for each in load() if "usage_is_" not in each.name]
    await migrate(empty_url, before, notify=lambda _: None)
    connection = await asyncpg.connect(empty_url)
    await connection.fetchval("SELECT ensure_partitions($1, $1)", T0)
    await insert(connection, images=-1)
    await migrate(empty_url, load(), notify=lambda _: None)
    assert not await connection.fetchval(CHECKS)
    with pytest.raises(asyncpg.CheckViolationError, match="web_searches"):
        await insert(connection, web_searches=-1)
    await connection.close()


async def test_what_is_right_is_checked_once(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval(CHECKS)
    await connection.close()
