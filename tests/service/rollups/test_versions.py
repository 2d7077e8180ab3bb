"""The version of a range changes with its rows, and with no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.rollups import versions
from analytics_service.rollups.legacy.refresh import refresh_before
from tests.support.rollups import refresh
from tests.support.service import T0, a_row, a_service, execute, insert

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = st.dictionaries(st.integers(-3, 9), st.integers(0, 9))
MOMENTS = st.integers(-60, 200).map(lambda hours: EPOCH + timedelta(hours=hours))


@given(days=DAYS, ends=st.tuples(MOMENTS, MOMENTS).filter(lambda pair: pair[0] < pair[1]))
def test_a_range_has_the_sums_of_the_days_that_it_touches(
    days: dict[int, int], ends: tuple[datetime, datetime]
) -> None:
    known = sorted(days.items())
    found = versions.of_row([day for day, _ in known] or None, [count for _, count in known] or None, "database")
    touched = [count for day, count in known if ends[0] < EPOCH + (day + 1) * DAY and EPOCH + day * DAY < ends[1]]
    assert found.of(*ends) == f"database/{sum(touched)}"


@pytest.mark.postgres
async def test_whatever_changes_a_row_changes_the_version_of_its_days_alone(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    span, next_day = (T0, T0 + timedelta(hours=1)), (T0 + DAY, T0 + DAY + timedelta(hours=1))

    async def version(organisation: str = "acme") -> tuple[str, str]:
        asked = versions.query(organisation)
        (row,) = await connection.fetch(asked.sql, *asked.args)
        found = versions.of_row(*row)
        return found.of(*span), found.of(*next_day)

    seen = [await version()]
    for change in (
        "UPDATE traces SET model = 'b'",
        "DELETE FROM traces WHERE trace_id = 'trace-00001'",
        "UPDATE traces SET total_tokens = 1",
    ):
        await insert(database_url, [a_row(len(seen)), a_row(5, org_id="rival", ts=T0 + DAY + DAY * len(seen))])
        seen.append(await version())
        await execute(database_url, f"{change} {'WHERE' if 'WHERE' not in change else 'AND'} org_id = 'acme'")
        seen.append(await version())
        for step in (refresh, refresh_before):
            await step(connection)
            assert await version() == seen[-1]
    assert len({first for first, _ in seen}) == len(seen)
    (unchanged,) = {second for _, second in seen}
    assert unchanged.endswith("/0")
    assert await version("nobody") == (unchanged, unchanged)
    await connection.close()


@pytest.mark.postgres
async def test_a_cached_answer_outlives_refreshes_and_no_row(database_url: str) -> None:
    await insert(database_url, [a_row(1)])
    connection = await asyncpg.connect(database_url)
    asked: dict[str, Any] = {"from_": T0, "to": T0 + DAY, "headers": {"Cache-Control": "no-cache"}}
    async with a_service(database_url) as client:
        for route in ("metrics?metrics=duration&aggregation=p95", "costs/summary", "traces"):
            first = await client.get(f"/api/v1/{route}", **asked)
            await refresh(connection)
            again = await client.get(f"/api/v1/{route}", **asked)
            assert (again.headers["ETag"], again.body) == (first.headers["ETag"], first.body)
            assert "hit" in again.headers["Cache-Status"]
            await execute(database_url, "UPDATE traces SET duration_us = coalesce(duration_us, 0) + 1")
            later = await client.get(f"/api/v1/{route}", **asked)
            assert "fwd=miss" in later.headers["Cache-Status"]
    await connection.close()
