"""Brings the store to the desired policies: at once where nothing is lost, else only with the plan's hash."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.policies.desired import Policy, Values, violations
from analytics_service.policies.observe import database_time, observe, observe_partitions
from analytics_service.policies.outcome import Actions, Outcome, summarize
from analytics_service.policies.plan import Drift, ObservedStore, PolicyChange, PolicyPlan, drift, plan, shortened
from analytics_service.rollups.retention.horizon import raise_horizon

_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '500ms'"  # whoever writes waits behind us meanwhile
_ACCEPT: Final = """
INSERT INTO policy AS p (name, value, revision) VALUES ($1, $2, $3::bigint + 1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, revision = excluded.revision, accepted_at = now()
WHERE p.revision = $3
"""
# Where no row was dropped, rows may be written again as soon as they are kept.
_LOWER_HORIZON: Final = "UPDATE rollup_floor SET floor = dropped_until WHERE floor > dropped_until"
COMPRESSIBLE: Final = """
ALTER TABLE traces SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'org_id, model', timescaledb.compress_orderby = 'ts DESC'
)
"""
_IS_COMPRESSIBLE: Final = """
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = 'public' AND hypertable_name = 'traces'
"""


@dataclass
class _Run:
    applied: list[PolicyChange] = field(default_factory=list)
    drift_corrected: list[Drift] = field(default_factory=list)
    failures: dict[Policy, str] = field(default_factory=dict)


async def preview(connection: Connection, values: Values, *, now: datetime | None = None) -> Outcome:
    """The outcome of `reconcile` if nothing were approved; changes nothing."""
    store = await observe(connection)
    return summarize(values, store, await _plan(connection, values, store, now), Actions(violations=violations(values)))


async def reconcile(
    connection: Connection, values: Values, *, allow: str | None = None, now: datetime | None = None
) -> Outcome:
    """Applies changes that lose nothing or that `allow` approves, and corrects drift. Any number may run at once.

    Values that violate a rule change nothing; the store is held to those that were applied before.
    """
    store, run, violated = await observe(connection), _Run(), violations(values)
    todo = await _plan(connection, values, store, now)
    for change in todo.changes if violated is None else ():
        if change.loss is None or todo.hash == allow:
            await _accept(connection, change, run)
    if run.applied:
        store = await observe(connection)
    for each in drift(store, {policy: accepted.value for policy, accepted in store.accepted.items()}):
        await _correct_drift(connection, each, store, run)
    if run.drift_corrected:
        store = await observe(connection)
    pending = replace(todo, changes=tuple(change for change in todo.changes if change not in run.applied))
    changed = {change.policy for change in run.applied}
    return summarize(
        values,
        store,
        replace(pending, hash=pending.hash if pending.destructive else None),
        Actions(
            violations=violated,
            applied=tuple(run.applied),
            drift_corrected=tuple(
                each for each in run.drift_corrected if each.policy not in changed or each.policy is Policy.RAW
            ),
            failures=run.failures,
        ),
    )


async def _plan(connection: Connection, values: Values, store: ObservedStore, now: datetime | None) -> PolicyPlan:
    partitions = await observe_partitions(connection, shortened(values, store.accepted))
    return plan(values, store, partitions, now=now or await database_time(connection))


async def _accept(connection: Connection, change: PolicyChange, run: _Run) -> None:
    """Changes nothing when somebody else changed the policy since it was read: the next run sees their value."""
    revision = 0 if change.before is None else change.before.revision
    try:
        async with connection.transaction():
            await connection.execute(_LOCK_TIMEOUT)
            status = await connection.execute(_ACCEPT, change.policy.value, change.after, revision)
            if status == "INSERT 0 0":
                return
            if change.policy is Policy.RAW and change.loss is None:
                await connection.execute(_LOWER_HORIZON)
    except asyncpg.PostgresError as error:
        run.failures[change.policy] = _one_line(error)
    else:
        run.applied.append(change)


async def _correct_drift(connection: Connection, each: Drift, store: ObservedStore, run: _Run) -> None:
    value = accepted.value if (accepted := store.accepted.get(each.policy)) is not None else None
    try:
        async with connection.transaction():
            await connection.execute(_LOCK_TIMEOUT)
            if each.policy is Policy.CHUNK and value is not None:
                await _set_chunk(connection, value, hypertable=store.chunk_interval is not None)
            elif each.policy is Policy.COMPRESSION:
                await _set_compression(connection, value)
            await _delete_jobs(connection, each.jobs)
            if each.externally_dropped_until is not None:
                await raise_horizon(connection)
    except asyncpg.PostgresError as error:
        run.failures[each.policy] = _one_line(error)
    else:
        run.drift_corrected.append(each)


async def _set_chunk(connection: Connection, hours: int, *, hypertable: bool) -> None:
    await connection.execute("UPDATE schema_meta SET chunk_hours = $1", hours)
    if hypertable:
        await connection.execute("SELECT set_chunk_time_interval('public.traces', make_interval(hours => $1))", hours)


async def _set_compression(connection: Connection, days: int | None) -> None:
    await connection.execute("SELECT remove_compression_policy('public.traces', if_exists => true)")
    if days is None:
        return
    if not await connection.fetchval(_IS_COMPRESSIBLE):
        await connection.execute(COMPRESSIBLE)
    await connection.execute(
        "SELECT add_compression_policy('public.traces', compress_after => make_interval(days => $1))", days
    )


async def _delete_jobs(connection: Connection, numbers: Sequence[int]) -> None:
    for number in numbers:
        await connection.execute("SELECT delete_job($1)", number)


def _one_line(error: asyncpg.PostgresError) -> str:
    return " ".join(str(error).split())
