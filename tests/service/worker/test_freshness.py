"""Whether what the worker keeps is fresh, from what its jobs said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics_service.worker.freshness import FreshnessReason, freshness
from analytics_service.worker.state import JobState

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=1)


def done(ago: float = 1, **found: Any) -> JobState:
    return JobState(succeeded_at=NOW - timedelta(seconds=ago), seconds=0.1, details=found)


def jobs(**changes: JobState) -> dict[str, JobState]:
    usual = {
        "policies": done(50),
        "partitions": done(3000, made=0, runway_seconds=7 * 86_400),
        "refresh": done(late_seconds=0),
        "retention": done(50),
        "snapshots": done(50, oldest_snapshot_seconds=0.0, old_snapshots=[]),
    }
    return {**usual, **changes}


def said(since: datetime = BEGAN, **changes: JobState) -> tuple[bool, FreshnessReason] | None:
    found = freshness(jobs(**changes), since=since, now=NOW)
    return None if found is None else (found.fresh, found.reason)


def test_a_worker_whose_jobs_succeed_keeps_fresh() -> None:
    assert said() == (True, FreshnessReason.FRESH)
    assert said(partitions=done(made=0, runway_seconds=None)) == (True, FreshnessReason.FRESH)


@pytest.mark.parametrize(
    "refresh",
    [
        pytest.param(done(late_seconds=121), id="later than its pause allows"),
        pytest.param(done(121, late_seconds=0), id="no look for long"),
        pytest.param(done(60, late_seconds=61), id="both"),
        pytest.param(JobState(failures=1, error="x"), id="never a look"),
    ],
)
def test_rollups_that_are_late_are_not_fresh(refresh: JobState) -> None:
    assert said(refresh=refresh) == (False, FreshnessReason.LAG)


def test_rollups_that_are_as_late_as_their_pause_are_fresh() -> None:
    assert said(refresh=done(10, late_seconds=100, lag_seconds=400)) == (True, FreshnessReason.FRESH)


def test_nothing_is_said_before_the_first_look_unless_it_takes_too_long() -> None:
    assert said(NOW - timedelta(seconds=5), refresh=JobState(), partitions=JobState()) is None
    assert said(NOW - timedelta(seconds=121), refresh=JobState(), partitions=JobState()) == (False, FreshnessReason.LAG)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [pytest.param(2, FreshnessReason.FRESH, id="twice"), pytest.param(3, FreshnessReason.FAILING, id="thrice")],
)
def test_a_job_that_fails_again_and_again_is_named(failures: int, expected: FreshnessReason) -> None:
    state = done(500)
    state.failures, state.error = failures, "the disk is full"
    found = freshness(jobs(retention=state), since=BEGAN, now=NOW)
    assert found is not None
    assert found.reason is expected
    if expected is FreshnessReason.FAILING:
        assert found.message == "retention failed 3 times in a row: the disk is full"


def test_partitions_that_end_soon_are_said_with_the_time_that_passed() -> None:
    day = 86_400
    assert said(partitions=done(3600, runway_seconds=day + 3601)) == (True, FreshnessReason.FRESH)
    assert said(partitions=done(3600, runway_seconds=day + 3599)) == (False, FreshnessReason.SHORT)


def test_all_that_is_wrong_is_said_and_lag_is_the_first_reason() -> None:
    failing = done(500, late_seconds=0)
    failing.failures, failing.error = 5, "no connection"
    found = freshness(jobs(refresh=failing, partitions=done(runway_seconds=60)), since=BEGAN, now=NOW)
    assert found is not None
    assert (found.fresh, found.reason) == (False, FreshnessReason.LAG)
    assert [part in found.message for part in ("s late", "partitions end", "refresh failed 5 times")] == [True] * 3


def old(*seconds: float, backup: bool = False) -> JobState:
    snapshots = [{"seconds": each, "backup": backup, "message": f"process {each:.0f} of etl"} for each in seconds]
    return done(50, oldest_snapshot_seconds=max(seconds), old_snapshots=snapshots)


@pytest.mark.parametrize(
    ("snapshots", "fresh"),
    [
        pytest.param(old(901), True, id="a warning first"),
        pytest.param(old(3599), True, id="until an hour"),
        pytest.param(old(3601), False, id="then not fresh"),
        pytest.param(old(12 * 3600 - 1, backup=True), True, id="a backup until twelve hours"),
        pytest.param(old(12 * 3600 + 1, backup=True), False, id="a backup that hangs"),
    ],
)
def test_an_old_snapshot_is_named_before_it_hurts(snapshots: JobState, *, fresh: bool) -> None:
    assert said(snapshots=snapshots) == (fresh, FreshnessReason.SNAPSHOT)


def test_the_snapshot_that_may_not_be_so_old_is_named_first() -> None:
    snapshots = old(7000, backup=True)
    snapshots.details["old_snapshots"] += old(4000).details["old_snapshots"]
    found = freshness(jobs(snapshots=snapshots), since=BEGAN, now=NOW)
    assert found is not None
    message = "vacuum waits for process 4000 of etl and others (analytics-service doctor names the cure)"
    assert (found.fresh, found.message) == (False, message)


def test_an_old_snapshot_is_named_beside_what_is_worse() -> None:
    found = freshness(jobs(refresh=done(late_seconds=500), snapshots=old(901)), since=BEGAN, now=NOW)
    assert found is not None
    assert (found.fresh, found.reason) == (False, FreshnessReason.LAG)
    assert "; vacuum waits for process 901 of etl (" in found.message
