"""The known ways in which a hierarchy of rollups goes wrong, one by one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from analytics_service.rollups.hierarchy.refresh import Schedule
from tests.service.rollups.hierarchy.scenario import AT_ONCE, Scenario, a_scenario
from tests.service.rollups.hierarchy.stored import check, connect, insert, stale, stored, versions
from tests.service.rollups.hierarchy.witness import DAY, DAYS, HOURS, MINUTES, Span, bucket_of

pytestmark = pytest.mark.postgres


@pytest.fixture
async def scenario(edition_url: str) -> AsyncIterator[Scenario]:
    scenario = await a_scenario(edition_url)
    yield scenario
    await scenario.close()


async def test_an_hour_is_stale_when_its_minute_has_left_the_log(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY}])
    await scenario.check_refreshed()
    await scenario.insert([{"ts": DAY + MINUTES, "user_id": "ann"}])
    await scenario.advance(0, "acme", AT_ONCE)
    assert await scenario.connection.fetchval("SELECT count(*) FROM rollup_log") == 0
    buckets = await stale(scenario.connection)
    assert not buckets.pop("totals_1min")
    assert not buckets.pop("latency_1min")
    assert all(buckets.values()), buckets
    await scenario.check_refreshed()


async def test_a_late_row_rebuilds_only_the_combinations_that_changed(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY + n * HOURS, "model": f"m{n % 5}"} for n in range(20)])
    await scenario.check_refreshed()
    tables = ("totals_15min", "totals_1hour", "totals_1day", "latency_1day")
    before = {table: await versions_of_rows(scenario, table) for table in tables}
    await scenario.insert([{"ts": DAY + 5 * HOURS + MINUTES, "model": "m3", "duration_us": 5}])
    await scenario.check_refreshed()
    for table in tables:
        after = await versions_of_rows(scenario, table)
        written = {key for key in after if before[table].get(key) != after[key]}
        assert {model for _, model in written} == {"m3"}, table


async def versions_of_rows(scenario: Scenario, table: str) -> dict[Any, Any]:
    rows = await scenario.connection.fetch(
        f"SELECT r.bucket, d.model, r.xmin::text, r.ctid::text FROM rollup_{table} AS r "
        "JOIN rollup_dimension AS d USING (org_id, dim)"
    )
    return {(row["bucket"], row["model"]): (row["xmin"], row["ctid"]) for row in rows}


async def test_a_late_row_below_the_horizon_of_minutes_is_added_to_what_is_there(scenario: Scenario) -> None:
    """The hour would otherwise be made of the minutes that are left: of none."""
    await scenario.insert([{"ts": DAY + n * MINUTES, "prompt_tokens": n} for n in range(60)])
    await scenario.check_refreshed()
    for table in ("totals_1min", "latency_1min"):
        await scenario.end(table, DAY + DAYS, delete=True)
    await scenario.insert([{"ts": DAY + 30 * MINUTES, "prompt_tokens": 100}])
    await scenario.check_refreshed()
    assert await scenario.connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1hour") == 61
    assert await scenario.connection.fetchval("SELECT count(*) FROM rollup_totals_1min") == 0


async def test_users_grow_through_the_day(scenario: Scenario) -> None:
    """Hours that have ended are done; a late row makes one of them anew, and no other."""
    for hour in range(4):
        await scenario.insert(
            [{"ts": DAY + hour * HOURS + n * MINUTES, "user_id": f"user {hour * n}"} for n in range(0, 60, 5)]
        )
        now = DAY + (hour + 1) * HOURS
        await scenario.refresh(Schedule(until=now))
        assert {hour for _, hour in await stored(scenario.connection, "users_1hour")} == {
            DAY + n * HOURS for n in range(hour + 1)
        }
        assert not (await stale(scenario.connection))["users_1hour"]
        await scenario.check()
    before = dict(await scenario.connection.fetch("SELECT bucket, xmin::text FROM rollup_users_1hour"))
    await scenario.insert([{"ts": DAY + HOURS, "user_id": "zoë"}])
    await scenario.check_refreshed()
    after = dict(await scenario.connection.fetch("SELECT bucket, xmin::text FROM rollup_users_1hour"))
    assert {hour for hour in after if after[hour] != before[hour]} == {DAY + HOURS}


async def test_an_entry_is_written_though_another_one_is_visible(scenario: Scenario, edition_url: str) -> None:
    """Whoever leaves it out loses the row when the other entry is taken first."""
    await scenario.insert([{"ts": DAY}])
    other = await connect(edition_url)
    transaction = other.transaction()
    await transaction.start()
    await insert(other, [Span(trace_id="late", ts=DAY)])
    assert await other.fetchval("SELECT count(*) FROM rollup_log") == 2
    await scenario.check_refreshed()
    await transaction.commit()
    await other.close()
    scenario.spans.append(Span(trace_id="late", ts=DAY))
    scenario.keys["acme", DAY] += 1
    await scenario.check_refreshed()


async def test_the_key_of_a_day_moves_with_writes_alone(scenario: Scenario) -> None:
    for n in range(6):
        await scenario.insert([{"ts": DAY + n * 7 * HOURS}, {"ts": DAY + n * 7 * HOURS + MINUTES}])
        before = await versions(scenario.connection)
        for _ in range(n):
            await scenario.advance(0, "acme", AT_ONCE)
            assert await versions(scenario.connection) == before == scenario.keys
    assert sum(scenario.keys.values()) == 12


async def test_a_snapshot_that_lives_long_sees_one_state_throughout(scenario: Scenario, edition_url: str) -> None:
    """As an answer of several statements does."""
    await scenario.insert([{"ts": DAY + n * HOURS, "user_id": f"user {n}"} for n in range(8)])
    spans, keys = list(scenario.spans), dict(scenario.keys)
    old = await connect(edition_url)
    async with old.transaction(isolation="repeatable_read", readonly=True):
        await check(old, spans, keys)
        await scenario.insert([{"ts": DAY, "user_id": "late"}])
        for _ in range(12):
            await scenario.advance(0, "acme", AT_ONCE)
            await check(old, spans, keys)
    await old.close()
    await scenario.check_refreshed()


async def test_the_log_is_vacuumed_by_what_it_grew_and_not_by_its_size(scenario: Scenario) -> None:
    for table in ("rollup_log", "rollup_stale"):
        options = await scenario.connection.fetchval("SELECT reloptions FROM pg_class WHERE relname = $1", table)
        assert "autovacuum_vacuum_scale_factor=0" in options
        assert "autovacuum_vacuum_cost_delay=0" in options


async def test_spans_that_are_no_requests_move_the_key_and_no_bucket(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY, "user_id": "ann"}])
    await scenario.check_refreshed()
    await scenario.insert([{"ts": DAY + n * MINUTES, "is_request": False} for n in range(20)])
    await scenario.update(scenario.spans[-1], model="other")
    await scenario.delete(scenario.spans[-2])
    assert not any((await stale(scenario.connection)).values())
    await scenario.check()
    await scenario.advance(0, "acme", AT_ONCE)
    await scenario.check_refreshed()
    assert scenario.keys == {("acme", DAY): 23}


@pytest.mark.parametrize("is_request", [True, False])
async def test_a_span_that_becomes_a_request_or_ceases_to_be_one(scenario: Scenario, *, is_request: bool) -> None:
    await scenario.insert([{"ts": DAY, "user_id": "ann", "is_request": not is_request}])
    await scenario.check_refreshed()
    await scenario.update(scenario.spans[0], is_request=is_request)
    await scenario.check()
    await scenario.check_refreshed()
    assert len(await stored(scenario.connection, "part")) == is_request


@pytest.mark.parametrize("column", ["duration_us", "ttft_us", "user_id", "team_id", "tags"])
async def test_values_that_two_rows_exchange(scenario: Scenario, column: str) -> None:
    """The totals stay; histograms, registers or days do not."""
    values = {"duration_us": (5, 90), "ttft_us": (5, 90), "tags": (["a", "a"], ["b"])}.get(column, ("ann", "bob"))
    rows = [{"ts": DAY + n * 20 * MINUTES, "prompt_tokens": n, column: value} for n, value in enumerate(values)]
    await scenario.insert(rows)
    await scenario.check_refreshed()
    await scenario.swap(scenario.spans[0], scenario.spans[1], column)
    await scenario.check()
    await scenario.check_refreshed()


async def test_writers_append_to_the_log_of_the_release_before_too(scenario: Scenario) -> None:
    """To its pods a bucket that is not logged is clean."""
    await scenario.insert([{"ts": DAY + 90 * MINUTES}])
    await scenario.refresh()
    rows = await scenario.connection.fetch("SELECT level, org_id, bucket_start FROM rollup_dirty")
    steps = dict(await scenario.connection.fetch("SELECT level, step FROM rollup_level"))
    assert {tuple(row) for row in rows} == {
        (level, "acme", bucket_of(DAY + 90 * MINUTES, step)) for level, step in steps.items()
    }


async def test_rows_land_in_the_past_as_a_rule(scenario: Scenario) -> None:
    """Each a little earlier than the one before, over midnights."""
    for n in range(12):
        await scenario.insert([{"ts": DAY + 2 * DAYS - n * 5 * HOURS, "user_id": f"user {n % 3}"}])
        await scenario.refresh(Schedule(until=DAY + 2 * DAYS))
        await scenario.check()
    await scenario.check_refreshed()


async def test_a_row_in_the_future_waits_for_its_time(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY}, {"ts": DAY + timedelta(days=90), "user_id": "ann"}])
    await scenario.refresh(Schedule(until=DAY + DAYS))
    assert await scenario.connection.fetchval("SELECT count(*) FROM rollup_log") == 1
    await scenario.check()
    await scenario.check_refreshed()


async def test_minutes_are_refreshed_once_nothing_is_written_or_one_has_waited_long(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY}])
    await scenario.refresh(Schedule(quiet=HOURS, max_wait=2 * HOURS))
    assert await scenario.connection.fetchval("SELECT count(*) FROM rollup_log") == 1
    await scenario.connection.execute("UPDATE rollup_log SET logged_at = logged_at - interval '2 hours'")
    await scenario.insert([{"ts": DAY}, {"ts": DAY + MINUTES}])
    await scenario.refresh(Schedule(quiet=HOURS, max_wait=3 * HOURS))
    assert await scenario.connection.fetchval("SELECT count(*) FROM rollup_log") == 3
    await scenario.refresh(Schedule(quiet=HOURS, max_wait=HOURS))
    assert await scenario.connection.fetchval("SELECT count(*) FROM rollup_log") == 0
    await scenario.check()
    await scenario.check_refreshed()


async def test_nothing_remains_of_rows_that_are_gone(scenario: Scenario) -> None:
    await scenario.insert([{"ts": DAY + n * HOURS, "user_id": "ann", "tags": ["a"]} for n in range(5)])
    await scenario.check_refreshed()
    for span in list(scenario.spans):
        await scenario.delete(span)
    await scenario.check_refreshed()
    for table in ("totals_1day", "latency_1day", "users_6hour", "part", "user_1day", "team_1day", "tag_1day"):
        assert not await stored(scenario.connection, table)


async def test_keys_of_every_table_begin_with_the_organisation(scenario: Scenario) -> None:
    """So that all of them can be distributed by it."""
    rows = await scenario.connection.fetch(
        "SELECT c.relname, a.attname FROM pg_class AS c "
        "JOIN pg_index AS i ON i.indrelid = c.oid "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
        "WHERE c.relname IN (SELECT 'rollup_' || name FROM rollup_horizon) "
        "OR c.relname IN ('rollup_log', 'rollup_stale', 'rollup_dimension', 'rollup_version')"
    )
    assert {row["attname"] for row in rows} == {"org_id"}
    assert len({row["relname"] for row in rows}) == 19
