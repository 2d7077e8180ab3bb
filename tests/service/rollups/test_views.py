"""The views that people use add up to raw, with the columns that they had in earlier releases."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.service.rollups.ledger import DAY, Span, insert
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

SUMS = "sum(request_count), sum(prompt_tokens_sum), sum(prompt_tokens_count), sum(total_cost_usd_sum)"
RAW = "count(*), sum(prompt_tokens), count(prompt_tokens), sum(total_cost_usd)"
VIEWS = ("1min", "15min", "1hour", "1day", "1day_user", "1day_team", "1day_tag")
EARLIER = """
SELECT table_name, column_name FROM information_schema.columns AS c
WHERE table_schema = 'public' AND table_name LIKE 'rollup\\_1%' AND NOT EXISTS (
  SELECT FROM information_schema.columns AS v
  WHERE v.table_schema = 'public' AND v.table_name = replace(c.table_name, 'rollup_', 'traces_')
    AND v.column_name = c.column_name AND v.data_type = c.data_type
)
"""


@pytest.fixture
async def filled(edition_url: str) -> Any:
    connection = await asyncpg.connect(edition_url)
    spans = [
        Span(
            trace_id=f"t{n}",
            ts=DAY + n * timedelta(minutes=7),
            model=f"m{n % 3}",
            prompt_tokens=None if n % 5 == 0 else n,
            total_cost_usd=None if n % 4 == 0 else Decimal(n).scaleb(-6),
            duration_us=n * 1000,
        )
        for n in range(400)
    ]
    await insert(connection, spans)
    await connection.execute("UPDATE traces SET user_id = 'u' || length(trace_id), team_id = model WHERE model <> 'm0'")
    await refresh(connection)
    yield connection
    await connection.close()


@pytest.mark.parametrize("view", VIEWS)
async def test_sums_and_counts_are_those_of_raw(filled: Any, view: str) -> None:
    raw = await filled.fetchrow(f"SELECT {RAW} FROM traces")
    assert tuple(await filled.fetchrow(f"SELECT {SUMS} FROM traces_{view}")) == tuple(raw)


@pytest.mark.parametrize("view", ["1hour_latency", "1day_latency"])
async def test_histograms_have_every_duration(filled: Any, view: str) -> None:
    counts = await filled.fetch(f"SELECT measure, sum(n) FROM traces_{view} GROUP BY measure")
    assert [tuple(row) for row in counts] == [("duration_us", 400)]


async def test_registers_have_a_rank(filled: Any) -> None:
    ranks = await filled.fetch("SELECT min(reg) >= 0, max(reg) < 4096, min(rank) > 0 FROM traces_1hour_users")
    assert [tuple(row) for row in ranks] == [(True, True, True)]


async def test_the_columns_of_earlier_releases_are_there(filled: Any) -> None:
    assert await filled.fetch(EARLIER) == []
