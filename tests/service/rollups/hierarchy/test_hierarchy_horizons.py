"""Late rows where finer levels are gone: a bucket is built from the finest level that has all of it, else from raw."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from analytics_service.rollups.hierarchy.refresh import Refresher, Schedule
from tests.service.rollups.hierarchy.scenario import Scenario, a_scenario
from tests.service.rollups.hierarchy.stored import stale
from tests.service.rollups.hierarchy.witness import DAY, DAYS, HOURS, MINUTES, WIDTHS

pytestmark = pytest.mark.postgres

LATER = DAY + 2 * DAYS


@pytest.fixture
async def scenario(edition_url: str) -> AsyncIterator[Scenario]:
    """Two rows of an hour, all refreshed."""
    scenario = await a_scenario(edition_url)
    await scenario.insert([{"ts": DAY, "duration_us": 5, "user_id": "ann", "prompt_tokens": 3, "tags": ["a"]}])
    await scenario.insert([{"ts": DAY + 40 * MINUTES, "duration_us": 9, "user_id": "bob"}])
    await scenario.check_refreshed()
    yield scenario
    await scenario.close()


async def end(scenario: Scenario, *tables: str) -> None:
    for table in tables:
        await scenario.end(table, LATER, delete=True)


async def test_a_late_row_where_minutes_are_gone(scenario: Scenario) -> None:
    await end(scenario, "totals_1min", "latency_1min")
    await scenario.insert([{"ts": DAY + 20 * MINUTES, "duration_us": 7, "user_id": "zoë"}])
    await scenario.check()
    await scenario.check_refreshed()


@pytest.mark.parametrize("column", ["duration_us", "user_id", "model", "prompt_tokens"])
async def test_an_update_where_minutes_are_gone(scenario: Scenario, column: str) -> None:
    await end(scenario, "totals_1min", "latency_1min")
    await scenario.update(scenario.spans[0], **{column: {"duration_us": 900, "prompt_tokens": None}.get(column, "new")})
    await scenario.check()
    await scenario.check_refreshed()


@pytest.mark.parametrize("minutes", [("totals_1min",), ("latency_1min",)])
async def test_one_family_of_minutes_goes_before_the_other(scenario: Scenario, minutes: tuple[str, ...]) -> None:
    """As it is when a worker is killed in between."""
    await end(scenario, *minutes)
    await scenario.insert([{"ts": DAY + MINUTES, "duration_us": 7}])
    await scenario.check_refreshed()
    await scenario.swap(scenario.spans[0], scenario.spans[2], "duration_us")
    await scenario.check_refreshed()


async def test_minutes_go_while_the_coarser_buckets_wait_for_their_turn(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY + MINUTES, "model": "other", "duration_us": 7}])
    await scenario.advance(0, "acme", Schedule())
    await end(scenario, "totals_1min", "latency_1min")
    await scenario.insert([{"ts": DAY + 2 * MINUTES, "model": "third", "duration_us": 7}])
    await scenario.check()
    await scenario.check_refreshed()


@pytest.mark.parametrize("table", sorted(WIDTHS.keys() - {"part"}))
async def test_a_late_row_where_one_level_is_gone(scenario: Scenario, table: str) -> None:
    await end(scenario, table)
    await scenario.insert([{"ts": DAY + 20 * MINUTES, "duration_us": 7, "user_id": "zoë", "tags": ["a", "b"]}])
    await scenario.check_refreshed()
    await scenario.delete(scenario.spans[0])
    await scenario.check_refreshed()


async def test_a_new_combination_where_all_totals_are_gone(scenario: Scenario) -> None:
    await end(scenario, *(table for table in WIDTHS if table.startswith("totals")))
    await scenario.insert([{"ts": DAY + 20 * MINUTES, "model": "new", "duration_us": 7, "user_id": "zoë"}])
    await scenario.check_refreshed()


async def test_parts_come_before_totals_where_two_refresh(scenario: Scenario) -> None:
    """Who is past the quarters makes a part of a row that the other has taken out of the log since."""
    await end(scenario, "totals_1min", "latency_1min")
    await scenario.insert([{"ts": DAY + 20 * MINUTES, "duration_us": 7}])
    first = Refresher(scenario.connection, "acme").steps()
    waiting = "SELECT count(*) FROM rollup_stale WHERE step = '6hour'"
    while await scenario.connection.fetchval(waiting) == 0:
        await anext(first)
    await scenario.insert([{"ts": DAY + 20 * MINUTES, "model": "new", "user_id": "zoë", "duration_us": 7}])
    await scenario.advance(0, "acme", Schedule())
    async for _ in first:
        await scenario.check()
    await scenario.check_refreshed()


async def test_what_raw_no_longer_has_stays(scenario: Scenario) -> None:
    await scenario.end_raw(DAY + DAYS)
    await end(scenario, "totals_1min", "latency_1min", "part")
    await scenario.insert([{"ts": DAY + DAYS, "user_id": "zoë"}, {"ts": DAY + DAYS + HOURS, "user_id": "ann"}])
    await scenario.check()
    await scenario.check_refreshed()


async def test_a_bucket_that_has_not_ended_is_left_to_readers(scenario: Scenario) -> None:
    now = DAY + DAYS + HOURS + 20 * MINUTES
    await scenario.insert([{"ts": DAY + DAYS + n * MINUTES, "user_id": f"user {n}"} for n in range(0, 80, 5)])
    await scenario.refresh(Schedule(until=now))
    buckets = await stale(scenario.connection)
    assert not buckets["totals_1min"]
    assert buckets["totals_15min"] == buckets["part"] == {("acme", DAY + DAYS + HOURS + 15 * MINUTES)}
    assert buckets["totals_1hour"] == buckets["users_1hour"] == {("acme", DAY + DAYS + HOURS)}
    await scenario.check()
    await scenario.refresh(Schedule(until=now + timedelta(minutes=10)))
    await scenario.check()
