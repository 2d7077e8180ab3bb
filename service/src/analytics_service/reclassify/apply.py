"""Keeps a plan, applies it and undoes it by its journal: the rows of a trace change in one transaction.

What a killed process has not committed the next one does: the traces that are left, and the journal, are rows.
"""

import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from analytics_service.database import session_lock
from analytics_service.database.changes import transact
from analytics_service.database.compressed import FOR_COMPRESSED
from analytics_service.database.connect import Connection, Session
from analytics_service.database.plan_state import PlanState
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.errors import UsageError
from analytics_service.ingest.stored import decide, lock, mark
from analytics_service.ingest.traces import Extent, Trace
from analytics_service.reclassify.plan import BATCH_TRACES, Plan

_DELETE_OLD: Final = "DELETE FROM reclassify_plan WHERE state = 'planned' AND planned_at < now() - interval '7 days'"
_INSERT: Final = """
INSERT INTO reclassify_plan (hash, state, changes) VALUES ($1, 'planned', $2::jsonb) ON CONFLICT (hash) DO NOTHING
"""
_STATE: Final = "SELECT state FROM reclassify_plan WHERE hash = $1 FOR UPDATE"
_SET_STATE: Final = "UPDATE reclassify_plan SET state = $2 WHERE hash = $1"
_LEFT: Final = "SELECT count(*) FROM reclassify_trace WHERE plan = $1"
_NEXT: Final = """
DELETE FROM reclassify_trace WHERE (plan, org_id, trace_id) IN (
  SELECT plan, org_id, trace_id FROM reclassify_trace WHERE plan = $1 ORDER BY org_id, trace_id LIMIT $2
) RETURNING org_id, trace_id, first, last
"""
_NOTE: Final = """
INSERT INTO reclassify_journal
  (plan, org_id, trace_id, span_id, ts, is_request, is_nested, new_is_request, new_is_nested)
SELECT $1, * FROM unnest(
  $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[], $7::boolean[], $8::boolean[], $9::boolean[]
)
"""
_JOURNAL: Final = "SELECT count(DISTINCT (org_id, trace_id)) FROM reclassify_journal WHERE plan = $1"
_LAST: Final = """
SELECT DISTINCT org_id, trace_id FROM reclassify_journal WHERE plan = $1 ORDER BY org_id, trace_id LIMIT $2
"""
_RESTORE: Final = f"""
WITH n AS MATERIALIZED (
  DELETE FROM reclassify_journal AS j USING unnest($2::text[], $3::text[]) AS k (org_id, trace_id)
  WHERE j.plan = $1 AND j.org_id = k.org_id AND j.trace_id = k.trace_id RETURNING j.*
)
UPDATE traces AS t SET is_request = n.is_request, is_nested = n.is_nested FROM n
WHERE t.org_id = n.org_id AND t.trace_id = n.trace_id AND t.span_id = n.span_id AND t.ts = n.ts
  AND t.is_request = n.new_is_request AND t.is_nested = n.new_is_nested AND t.ts >= {RAW_HORIZON}
"""


class _Batch(NamedTuple):
    traces: int
    rows: int
    """That were changed."""


Work: TypeAlias = Callable[[], Coroutine[Any, Any, _Batch]]


async def save(connection: Connection, plan: Plan) -> None:
    """Keeps it for a week, or until it is applied and its rows are gone."""
    digest = plan.hash
    async with connection.transaction():
        await connection.execute(_DELETE_OLD)
        if await connection.execute(_INSERT, digest, json.dumps(plan.groups())) == "INSERT 0 1":
            await connection.copy_records_to_table(
                "reclassify_trace",
                records=[(digest, *trace, extent.first, extent.last) for trace, extent in plan.traces.items()],
                columns=("plan", "org_id", "trace_id", "first", "last"),
            )


async def apply(connection: Session, digest: str) -> AsyncGenerator[tuple[int, int, int], None]:
    """Decides for the traces that are left; yields how many are done, of how many, and the number of changed rows.

    UsageError where there is no such plan, or where it was undone; DatabaseError where another process has the lock.
    """
    await _begin(connection, digest, PlanState.APPLYING, PlanState.PLANNED, PlanState.APPLIED)
    total = await connection.fetchval(_LEFT, digest)
    async for step in _each(connection, partial(_apply, connection, digest), total):
        yield step


async def undo(connection: Session, digest: str) -> AsyncGenerator[tuple[int, int, int], None]:
    """Makes the rows that were changed what they were, but for those that others changed since; else as `apply`."""
    await _begin(connection, digest, PlanState.UNDOING, PlanState.APPLYING, PlanState.APPLIED, PlanState.UNDONE)
    total = await connection.fetchval(_JOURNAL, digest)
    async for step in _each(connection, partial(_undo, connection, digest), total):
        yield step


async def _each(connection: Session, work: Work, total: int) -> AsyncGenerator[tuple[int, int, int], None]:
    done = rows = 0
    while (batch := await transact(connection, work, rows="a batch of traces")).traces:
        done += batch.traces
        rows += batch.rows
        yield done, total, rows


async def _apply(connection: Session, digest: str) -> _Batch:
    batch = await connection.fetch(_NEXT, digest, BATCH_TRACES)
    traces = {Trace(row["org_id"], row["trace_id"]): Extent(row["first"], row["last"], 0) for row in batch}
    if not traces:
        await connection.execute(_SET_STATE, digest, PlanState.APPLIED.value)
        return _Batch(0, 0)
    await lock(connection, traces)
    changes = await decide(connection, traces, by_operation=True)
    await mark(connection, changes)
    names = ("org_id", "trace_id", "span_id", "ts", "is_request", "is_nested")
    before = [[change.row[name] for change in changes] for name in names]
    after = [change.is_request for change in changes], [change.is_nested for change in changes]
    await connection.execute(_NOTE, digest, *before, *after)
    return _Batch(len(traces), len(changes))


async def _undo(connection: Session, digest: str) -> _Batch:
    traces = [Trace(*row) for row in await connection.fetch(_LAST, digest, BATCH_TRACES)]
    if not traces:
        await connection.execute(_SET_STATE, digest, PlanState.UNDONE.value)
        return _Batch(0, 0)
    await lock(connection, traces)
    await connection.execute(FOR_COMPRESSED)
    status = await connection.execute(_RESTORE, digest, *([*column] for column in zip(*traces, strict=True)))
    return _Batch(len(traces), int(status.rsplit(" ", 1)[1]))


async def _begin(connection: Connection, digest: str, state: PlanState, *before: PlanState) -> None:
    await session_lock.lock(connection, "analytics.reclassify", "plans of requests are being applied or undone")
    async with connection.transaction():
        stored = await connection.fetchval(_STATE, digest)
        if stored is None:
            raise UsageError(f"there is no plan {digest}: `requests plan` shows what would change")
        if stored not in {state, *before}:
            raise UsageError(f"plan {digest} is {stored}: `requests plan` shows what would change now")
        await connection.execute(_SET_STATE, digest, state.value)
