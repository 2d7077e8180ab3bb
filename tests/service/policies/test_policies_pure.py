"""The rules that policies must keep, what a change would lose, and the hash that approves it: without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics_service import settings
from analytics_service.policies.desired import GOVERNED, LEGACY, Policy, Values, desired_values, violations
from analytics_service.policies.outcome import Actions, PolicyReason, PolicyState, summarize
from analytics_service.policies.plan import (
    Accepted,
    ForeignJob,
    ObservedStore,
    Partition,
    PolicyPlan,
    cutoff,
    drift,
    plan,
    shortened,
)
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.levels import Level

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)
USUAL = desired_values(settings.load({}))


def values(**changes: int | None) -> Values:
    """The usual ones, but: raw, min1, hour1, day1, compression, chunk."""
    return {**USUAL, **{Policy[name.upper()]: value for name, value in changes.items()}}


def a_store(**changes: Any) -> ObservedStore:
    """One that holds to the usual policies."""
    accepted = {policy: Accepted(value=value, revision=1) for policy, value in USUAL.items()}
    usual = ObservedStore(
        seed="s",
        retention_horizon=MIDNIGHT - 92 * DAY,
        accepted=accepted,
        chunk_hours=24,
        chunk_interval=None,
        compresses=False,
    )
    return replace(usual, **changes)


def a_partition(age: int, *, rows: int = 10, size: int = 1000) -> Partition:
    """Of a whole day, which began so many days ago."""
    start = MIDNIGHT - age * DAY
    return Partition(level="raw", start=start, end=start + DAY, rows=rows, size=size, indivisible=True)


def test_the_usual_policies_keep_every_rule() -> None:
    assert violations(USUAL) is None
    assert violations(values(raw=None, min1=None, hour1=None, day1=None, compression=None)) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"raw": 7, "compression": 3}, "raw retention is 7 d, and must be at least 8 d", id="raw"),
        pytest.param({"min1": 7}, "1min retention is 7 d, and must be at least 8 d", id="minutes"),
        pytest.param({"hour1": 90}, "1hour retention is 90 d, and must be at least 91 d", id="hours"),
        pytest.param({"hour1": 91, "day1": 365}, "1day retention is 365 d, and must be at least 366 d", id="days"),
        pytest.param({"min1": 401}, r"1min retention \(401 d\) .* 1hour retention \(400 d\)", id="order of minutes"),
        pytest.param({"min1": None}, r"1min retention \(keep\) .* 1hour retention \(400 d\)", id="minutes for ever"),
        pytest.param({"hour1": 1096}, r"1hour retention \(1096 d\) .* 1day retention \(1095 d\)", id="order of hours"),
        pytest.param({"hour1": None}, r"1hour retention \(keep\) .* 1day retention \(1095 d\)", id="hours for ever"),
        pytest.param({"chunk": 5}, "chunk interval is 5 h, and must divide 24 h", id="part of a day"),
        pytest.param({"chunk": 36}, "chunk interval is 36 h, and must divide 24 h", id="a day and a half"),
        pytest.param(
            {"raw": 13, "chunk": 168, "compression": 8}, "raw retention is 13 d, .* two chunks of 168 h", id="chunks"
        ),
        pytest.param({"compression": 92}, "compression after 92 d must come before raw is dropped after 92", id="raw"),
        pytest.param({"compression": 6, "chunk": 168}, "compression after 6 d .* a chunk of 168 h has", id="open"),
    ],
)
def test_a_rule_that_is_broken_is_named_with_its_numbers(changes: dict[str, int | None], said: str) -> None:
    message = violations(values(**changes))
    assert message is not None
    assert re_matches(said, message)
    outcome = summarize(values(**changes), a_store(), PolicyPlan(), Actions(violations=message))
    assert (outcome.reason, outcome.plan) == (PolicyReason.INVALID, None)
    assert message in outcome.message


def re_matches(pattern: str, text: str) -> bool:
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(text)
    return True


def test_every_broken_rule_is_said_at_once() -> None:
    assert (violations(values(raw=1, min1=1, hour1=1, day1=1, compression=1)) or "").count(";") >= 3


def test_each_level_has_one_retention() -> None:
    assert sorted(table for tables in GOVERNED.values() for table in tables) == sorted(Table)
    assert sorted(level for levels in LEGACY.values() for level in levels) == sorted(Level)


def test_rows_go_before_a_utc_midnight() -> None:
    east = NOW.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+14:00").tzinfo)
    assert cutoff(8, NOW) == cutoff(8, east) == MIDNIGHT - 8 * DAY


def test_what_keeps_longer_loses_nothing() -> None:
    longer = values(raw=93, min1=9, hour1=500, day1=None, compression=3, chunk=12)
    assert shortened(longer, a_store().accepted) == ()
    found = plan(longer, a_store(), {}, now=NOW)
    assert [change.policy for change in found.changes] == list(Policy)
    assert (found.destructive, found.hash) == ((), None)


def test_a_shorter_retention_says_what_would_go() -> None:
    held = [a_partition(age) for age in range(92)]
    assert shortened(values(raw=30), a_store().accepted) == (Policy.RAW,)
    (change,) = plan(values(raw=30), a_store(), {Policy.RAW: held}, now=NOW).destructive
    loss = change.loss
    assert loss is not None
    assert (loss.chunks, loss.rows, loss.size) == (61, 610, 61_000)
    assert (loss.start, loss.end) == (MIDNIGHT - 91 * DAY, MIDNIGHT - 30 * DAY)
    assert str(loss) == "61 chunks, about 610 rows, 61 kB, from 2026-08-24 to 2026-10-24"
    assert str(change) == "raw retention 92 d -> 30 d"


def test_a_part_of_a_rollup_goes() -> None:
    held = [Partition(level="1min", start=MIDNIGHT - 20 * DAY, end=MIDNIGHT, rows=2000, size=400, indivisible=False)]
    store = a_store(accepted={**a_store().accepted, Policy.MIN1: Accepted(value=None, revision=3)})
    (change,) = plan(values(min1=10), store, {Policy.MIN1: held}, now=NOW).destructive
    assert change.loss is not None
    assert (change.loss.rows, change.loss.size, change.loss.end) == (1000, 200, MIDNIGHT - 10 * DAY)


def test_to_keep_less_from_now_on_is_a_loss_too() -> None:
    (change,) = plan(values(raw=30), a_store(), {Policy.RAW: [a_partition(3)]}, now=NOW).destructive
    assert str(change.loss) == "nothing yet, and less is kept from now on"


def test_an_empty_store_loses_nothing() -> None:
    assert plan(values(raw=30), a_store(), {Policy.RAW: []}, now=NOW).hash is None


@pytest.mark.parametrize(
    ("age", "lost"),
    [pytest.param(92, False, id="kept"), pytest.param(93, True, id="older than what is wanted")],
)
def test_a_first_retention_loses_what_is_older(age: int, *, lost: bool) -> None:
    store = a_store(accepted={})
    assert shortened(USUAL, {}) == (Policy.RAW, Policy.MIN1, Policy.HOUR1, Policy.DAY1)
    found = plan(USUAL, store, {Policy.RAW: [a_partition(age), a_partition(1)]}, now=NOW)
    assert [change.policy for change in found.changes] == list(Policy)
    assert [change.policy for change in found.destructive] == ([Policy.RAW] if lost else [])


def test_a_first_retention_of_a_rollup_loses_only_what_raw_has_no_more() -> None:
    store = a_store(accepted={})
    held = [Partition(level="1min", start=MIDNIGHT - 90 * DAY, end=MIDNIGHT, rows=2000, size=400, indivisible=False)]
    assert plan(USUAL, store, {Policy.MIN1: held}, now=NOW).hash is None
    later = a_store(accepted={}, retention_horizon=MIDNIGHT - 30 * DAY)
    (change,) = plan(USUAL, later, {Policy.MIN1: held}, now=NOW).destructive
    assert change.loss is not None
    assert (change.loss.start, change.loss.end) == (MIDNIGHT - 90 * DAY, MIDNIGHT - 30 * DAY)


def a_hash(store: ObservedStore, now: datetime = NOW, rows: int = 10, **changes: int | None) -> str:
    held = {policy: [a_partition(80, rows=rows)] for policy in shortened(values(**changes), store.accepted)}
    found = plan(values(**changes), store, held, now=now).hash
    assert found is not None
    assert len(found) == 16
    return found


def test_a_hash_stays_while_time_passes_rows_come_and_other_policies_change() -> None:
    first = a_hash(a_store(), raw=30)
    assert a_hash(a_store(), NOW + 3 * DAY, rows=11, raw=30) == first
    assert a_hash(a_store(), raw=30, hour1=500, chunk=12) == first
    revised = {**a_store().accepted, Policy.CHUNK: Accepted(value=12, revision=9)}
    assert a_hash(a_store(accepted=revised), raw=30) == first


def test_a_hash_approves_one_loss_of_one_store_once() -> None:
    hashes = [
        a_hash(a_store(), raw=30),
        a_hash(a_store(), raw=31),
        a_hash(a_store(), raw=30, hour1=300),
        a_hash(a_store(seed="another"), raw=30),
        a_hash(a_store(accepted={**a_store().accepted, Policy.RAW: Accepted(value=92, revision=3)}), raw=30),
        a_hash(a_store(accepted={**a_store().accepted, Policy.RAW: Accepted(value=91, revision=1)}), raw=30),
    ]
    assert len(set(hashes)) == len(hashes)


def test_a_store_as_accepted_has_not_drifted() -> None:
    hypertable = a_store(chunk_interval=DAY, compresses=True, compress_after=7 * DAY)
    assert drift(a_store(), USUAL) == drift(hypertable, USUAL) == ()
    assert drift(a_store(), {}) == ()


@pytest.mark.parametrize(
    ("changes", "policy", "message"),
    [
        pytest.param({"chunk_hours": 6}, Policy.CHUNK, "corrected from 6 h", id="partitions"),
        pytest.param({"chunk_interval": 7 * DAY}, Policy.CHUNK, "corrected from 7 d", id="chunks"),
        pytest.param({"compress_after": None}, Policy.COMPRESSION, "corrected from never", id="no compression"),
        pytest.param({"compress_after": 30 * DAY}, Policy.COMPRESSION, "corrected from 30 d", id="later compression"),
        pytest.param(
            {"foreign_jobs": (ForeignJob(number=1001, drop_after="5 days"),)},
            Policy.RAW,
            "removed job 1001, which dropped chunks after 5 days",
            id="a job by hand",
        ),
    ],
)
def test_what_others_changed_is_named(changes: dict[str, Any], policy: Policy, message: str) -> None:
    usual = a_store(chunk_interval=DAY, compresses=True, compress_after=7 * DAY)
    (found,) = drift(replace(usual, **changes), USUAL)
    assert found.policy is policy
    assert found.message.startswith(message)


def test_compression_is_unavailable_where_the_edition_has_none_and_that_is_no_error() -> None:
    outcome = summarize(USUAL, a_store(), PolicyPlan(), Actions())
    states = {row.policy: row.state for row in outcome.table}
    assert states.pop(Policy.COMPRESSION) is PolicyState.UNAVAILABLE
    assert set(states.values()) == {PolicyState.APPLIED}
    assert outcome.reason is PolicyReason.APPLIED
    never = summarize(values(compression=None), a_store(), PolicyPlan(), Actions())
    assert {row.state for row in never.table} == {PolicyState.APPLIED}
