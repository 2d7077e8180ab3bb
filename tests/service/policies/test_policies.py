"""Policies on real stores: what loses nothing is applied, what would lose waits for its hash, drift is put right."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service import settings
from analytics_service.database.partitions import has_native_partitions
from analytics_service.policies.apply import preview, reconcile
from analytics_service.policies.desired import Policy, Values, desired_values
from analytics_service.policies.outcome import Outcome, PolicyReason, PolicyState
from analytics_service.rollups.retention.raw import retain_raw
from tests.service.rollups.ledger import Span, insert
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

USUAL = desired_values(settings.load({}))
DAY = timedelta(days=1)
NOW = datetime.now(UTC)
ACCEPTED = "SELECT name, value, revision FROM policy"
IS_COMMUNITY = (
    "SELECT made_for <> 'postgres' AND current_setting('timescaledb.license', true) = 'timescale' FROM schema_meta"
)


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


@pytest.fixture
async def community(connection: Any) -> Any:
    """Skips where TimescaleDB's own jobs cannot be."""
    if not await connection.fetchval(IS_COMMUNITY):
        pytest.skip("only the community edition of TimescaleDB has jobs and compression")
    return connection


def values(**changes: int | None) -> Values:
    return {**USUAL, **{Policy[name.upper()]: value for name, value in changes.items()}}


def states(outcome: Outcome) -> dict[Policy, PolicyState]:
    return {row.policy: row.state for row in outcome.table}


async def accepted(connection: Any) -> dict[str, tuple[int | None, int]]:
    return {row["name"]: (row["value"], row["revision"]) for row in await connection.fetch(ACCEPTED)}


async def rows_of_age(connection: Any, *days: int) -> None:
    for age in days:  # one by one: not every day between has a partition
        await insert(connection, [Span(trace_id=f"t{age}", ts=NOW - age * DAY)])
    await refresh(connection)


async def test_on_an_empty_store_all_is_applied_at_once(connection: Any) -> None:
    assert (await preview(connection, USUAL)).reason is PolicyReason.PENDING
    assert await accepted(connection) == {}
    outcome = await reconcile(connection, USUAL)
    assert (outcome.reason, outcome.plan, len(outcome.applied), outcome.drift_corrected) == (
        PolicyReason.APPLIED,
        None,
        6,
        (),
    )
    held_to = await accepted(connection)
    assert held_to == {policy.value: (value, 1) for policy, value in USUAL.items()}
    assert PolicyState.PENDING not in states(outcome).values()
    again = await reconcile(connection, USUAL)
    assert (again.reason, again.applied, again.drift_corrected) == (PolicyReason.APPLIED, (), ())


async def test_a_first_retention_of_a_store_with_old_rows_waits_and_the_rest_is_applied(connection: Any) -> None:
    await rows_of_age(connection, 1200, 100, 1)
    outcome = await reconcile(connection, USUAL)
    assert outcome.reason is PolicyReason.DESTRUCTIVE
    assert outcome.plan is not None
    assert outcome.plan in outcome.message
    held = {policy for policy, state in states(outcome).items() if state is PolicyState.PENDING}
    assert held == {Policy.RAW}, "what goes from rollups is still in raw"
    assert "raw retention none -> 92 d would lose 2 chunks, about 2 rows" in outcome.message
    assert f"from {NOW - 1200 * DAY:%Y-%m-%d} to {NOW - 99 * DAY:%Y-%m-%d}" in outcome.message
    assert "raw retention" not in await accepted(connection)
    assert (await preview(connection, USUAL)).plan == outcome.plan == (await reconcile(connection, USUAL)).plan
    wrong = await reconcile(connection, USUAL, allow="0123456789abcdef")
    assert (wrong.reason, wrong.applied) == (PolicyReason.DESTRUCTIVE, ())
    done = await reconcile(connection, USUAL, allow=outcome.plan)
    assert (done.reason, len(done.applied)) == (PolicyReason.APPLIED, 1)


async def test_a_shorter_retention_needs_the_hash_of_its_plan_and_each_time_another(connection: Any) -> None:
    await rows_of_age(connection, 80, 40, 1)
    await reconcile(connection, USUAL)
    shorter = values(raw=30, hour1=500)
    first = await reconcile(connection, shorter)
    assert [str(change) for change in first.applied] == ["1hour retention 400 d -> 500 d"]
    assert "would lose 2 chunks, about 2 rows" in first.message
    assert (await accepted(connection))["raw retention"] == (92, 1)
    assert (await reconcile(connection, shorter, allow=first.plan)).reason is PolicyReason.APPLIED
    assert (await accepted(connection))["raw retention"] == (30, 2)
    await reconcile(connection, values(hour1=500))
    second = await reconcile(connection, shorter, allow=first.plan)
    assert (second.reason, second.applied) == (PolicyReason.DESTRUCTIVE, ())
    assert second.plan != first.plan


async def test_what_breaks_a_rule_changes_nothing_and_the_store_is_held_to_what_was_accepted(connection: Any) -> None:
    await reconcile(connection, USUAL)
    before = await accepted(connection)
    await connection.execute("UPDATE schema_meta SET chunk_hours = 6")
    outcome = await reconcile(connection, values(min1=401, chunk=12))
    assert (outcome.reason, outcome.plan) == (PolicyReason.INVALID, None)
    assert "1min retention (401 d) must not be longer than 1hour retention (400 d)" in outcome.message
    assert await accepted(connection) == before
    assert await connection.fetchval("SELECT chunk_hours FROM schema_meta") == 24
    assert states(outcome)[Policy.MIN1] is PolicyState.PENDING


async def test_the_chunk_interval_is_applied_and_put_back(connection: Any) -> None:
    assert (await reconcile(connection, values(chunk=12))).drift_corrected == ()
    assert await connection.fetchval("SELECT chunk_hours FROM schema_meta") == 12
    await insert(connection, [Span(trace_id="t", ts=NOW)])
    if not await has_native_partitions(connection):
        size = "SELECT range_end - range_start FROM timescaledb_information.chunks"
        by_hand = "SELECT set_chunk_time_interval('traces', interval '3 days')"
        interval = "SELECT time_interval = '12 hours' FROM timescaledb_information.dimensions"
    else:
        size = "SELECT upper_bound - lower_bound FROM traces_partitions"
        by_hand = "UPDATE schema_meta SET chunk_hours = 72"
        interval = "SELECT chunk_hours = 12 FROM schema_meta"
    assert await connection.fetchval(size) == timedelta(hours=12)
    await connection.execute(by_hand)
    outcome = await reconcile(connection, values(chunk=12))
    (healed,) = outcome.drift_corrected
    assert healed.policy is Policy.CHUNK
    assert healed.message in {"corrected from 3 d", "corrected from 72 h"}
    assert outcome.reason is PolicyReason.APPLIED
    assert await connection.fetchval(interval)
    assert (await reconcile(connection, values(chunk=12))).drift_corrected == ()


async def test_of_two_that_apply_at_once_one_does(edition_url: str, connection: Any) -> None:
    await reconcile(connection, USUAL)
    pool = await asyncpg.create_pool(edition_url, min_size=4, max_size=4)

    async def one() -> Outcome:
        async with pool.acquire() as borrowed:
            return await reconcile(borrowed, values(hour1=500))

    try:
        outcomes = await asyncio.gather(*(one() for _ in range(4)))
    finally:
        await pool.close()
    assert sum(len(outcome.applied) for outcome in outcomes) == 1
    assert (await accepted(connection))["1hour retention"] == (500, 2)


async def test_what_never_held_rows_can_be_written_again_once_it_is_kept(connection: Any) -> None:
    await reconcile(connection, USUAL)
    old = Span(trace_id="old", ts=NOW - 200 * DAY)
    today = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    async for _ in retain_raw(connection, today - 92 * DAY):
        pass
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, [old])
    await reconcile(connection, values(raw=None))
    await insert(connection, [old])
    await reconcile(connection, values(raw=92), allow=(await preview(connection, values(raw=92))).plan)
    async for _ in retain_raw(connection, today - 92 * DAY):
        pass
    await reconcile(connection, values(raw=None))
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, [old])


async def test_raw_that_others_dropped_is_noticed_and_its_rollups_stay(connection: Any) -> None:
    await rows_of_age(connection, 40, 30, 1)
    await reconcile(connection, USUAL)
    if not await has_native_partitions(connection):
        await connection.execute("SELECT drop_chunks('traces', older_than => $1::timestamptz)", NOW - 20 * DAY)
    else:
        names = await connection.fetch("SELECT name FROM traces_partitions WHERE upper_bound < $1", NOW - 20 * DAY)
        await connection.execute(f"DROP TABLE {', '.join(row[0] for row in names)}")
    outcome = await reconcile(connection, USUAL)
    (healed,) = outcome.drift_corrected
    assert healed.message == (f"raw rows before {NOW - DAY:%Y-%m-%d} were dropped by others: rollups keep their sums")
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(connection, [Span(trace_id="late", ts=NOW - 30 * DAY)])
    await insert(connection, [Span(trace_id="late", ts=NOW)])
    await refresh(connection)
    assert await connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 4
    assert (await reconcile(connection, USUAL)).drift_corrected == ()


@pytest.mark.parametrize("statement", ["TRUNCATE traces", "DELETE FROM traces"])
async def test_rows_that_writers_took_away_are_no_drift(connection: Any, statement: str) -> None:
    await rows_of_age(connection, 40, 30, 1)
    await reconcile(connection, USUAL)
    await connection.execute(statement)
    assert (await reconcile(connection, USUAL)).drift_corrected == ()
    await insert(connection, [Span(trace_id="new", ts=NOW)])
    assert (await reconcile(connection, USUAL)).drift_corrected == ()
    await refresh(connection)
    assert (await reconcile(connection, USUAL)).drift_corrected == ()
    assert await connection.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 1
    await insert(connection, [Span(trace_id="late", ts=NOW - 30 * DAY)])


async def test_compression_is_unavailable_elsewhere(connection: Any) -> None:
    if await connection.fetchval(IS_COMMUNITY):
        pytest.skip("the community edition of TimescaleDB compresses")
    outcome = await reconcile(connection, USUAL)
    assert states(outcome)[Policy.COMPRESSION] is PolicyState.UNAVAILABLE


OURS = "FROM timescaledb_information.jobs WHERE hypertable_name = 'traces'"
JOBS = f"SELECT proc_name, config ->> 'compress_after', scheduled {OURS}"
COMPRESSES = [("policy_compression", "7 days", True)]


async def jobs(connection: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch(JOBS)]


async def test_the_community_edition_compresses_and_rows_come_late_all_the_same(community: Any) -> None:
    await rows_of_age(community, 20, 1)
    assert (await reconcile(community, USUAL)).reason is PolicyReason.APPLIED
    assert await jobs(community) == COMPRESSES
    job = await community.fetchval(f"SELECT job_id {OURS}")
    await community.execute(f"CALL run_job({job})")
    compressed = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
    assert await community.fetchval(compressed) == 1
    await insert(community, [Span(trace_id="late", ts=NOW - 20 * DAY)])
    await refresh(community)
    assert await community.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 3
    shorter = await preview(community, values(raw=8, compression=3))
    assert "would lose 1 chunks, about" in shorter.message
    await reconcile(community, values(raw=8, compression=3), allow=shorter.plan)
    today = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    async for _ in retain_raw(community, today - 8 * DAY):
        pass
    assert await community.fetchval("SELECT count(*) FROM traces") == 1
    assert await community.fetchval("SELECT sum(request_count) FROM rollup_totals_1day") == 3
    await reconcile(community, values(raw=8, compression=None))
    assert await jobs(community) == []


@pytest.mark.parametrize(
    ("by_hand", "said"),
    [
        pytest.param("SELECT remove_compression_policy('traces')", "corrected from never", id="removed"),
        pytest.param(
            "SELECT remove_compression_policy('traces'), add_compression_policy('traces', interval '30 days')",
            "corrected from 30 d",
            id="changed",
        ),
        pytest.param(
            f"SELECT alter_job(job_id, scheduled => false) {OURS}",
            "corrected from never",
            id="paused",
        ),
        pytest.param("SELECT add_retention_policy('traces', interval '5 days')", "removed job", id="a retention job"),
    ],
)
async def test_jobs_that_were_changed_by_hand_are_put_right(community: Any, by_hand: str, said: str) -> None:
    await reconcile(community, USUAL)
    await community.execute(by_hand)
    assert await jobs(community) != COMPRESSES
    outcome = await reconcile(community, USUAL)
    assert [said in each.message for each in outcome.drift_corrected] == [True]
    assert outcome.reason is PolicyReason.APPLIED
    assert await jobs(community) == COMPRESSES
