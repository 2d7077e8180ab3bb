"""The plans in the store, and their states: planned, applying, applied, undoing, undone.

One that is applying may be undone, too. At most one plan is applying or undoing, and it has to be ended before another
is begun: a process that is killed leaves its plan in that state, and whoever gives the same command goes on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg

from analytics_service.database import session_lock
from analytics_service.database.connect import Connection, Session
from analytics_service.database.plan_state import PlanState
from analytics_service.errors import UsageError
from analytics_service.repricing.books import Books
from analytics_service.repricing.plan import Hour, Plan
from analytics_service.repricing.scope import Scope


class HourState(StrEnum):
    PLANNED = "planned"
    APPLIED = "applied"
    UNDONE = "undone"
    EXPIRED = "expired"
    """Its raw rows are gone, and their price stays: it was not changed, or cannot be undone any more."""


@dataclass(frozen=True, kw_only=True)
class StoredPlan:
    hash: str
    state: PlanState
    scope: Scope
    books: Books


_DELETE_OLD: Final = "DELETE FROM reprice_plan WHERE state = 'planned' AND planned_at < now() - interval '7 days'"
_INSERT: Final = """
INSERT INTO reprice_plan (hash, state, scope, books, changes) VALUES ($1, 'planned', $2::jsonb, $3::jsonb, $4::jsonb)
ON CONFLICT (hash) DO NOTHING
"""
_HOURS: Final = ("plan", "org_id", "hour", "state", "rows")
_LOAD: Final = "SELECT hash, state, scope::text AS scope, books::text AS books FROM reprice_plan WHERE hash = $1"
_ACTIVE: Final = "SELECT hash, state FROM reprice_plan WHERE state IN ('applying', 'undoing')"
_SET_STATE: Final = """
UPDATE reprice_plan SET state = $2,
    began_at = CASE WHEN $2 IN ('applying', 'undoing') THEN clock_timestamp() ELSE began_at END,
    ended_at = CASE WHEN $2 IN ('applied', 'undone') THEN clock_timestamp() END
WHERE hash = $1
"""
_AGE: Final = "SELECT extract(epoch FROM clock_timestamp() - began_at)::float8 FROM reprice_plan WHERE hash = $1"
_IN_STATE: Final = "SELECT org_id, hour FROM reprice_unit WHERE plan = $1 AND state = $2 ORDER BY org_id, hour"
_COUNTS: Final = """
SELECT state, count(*) AS hours, sum(rows)::bigint AS rows FROM reprice_unit WHERE plan = $1 GROUP BY 1
"""
_LIST: Final = """
SELECT p.hash, p.state, p.planned_at, p.ended_at, count(u.plan) AS hours,
    coalesce(sum(u.rows), 0)::bigint AS rows,
    count(*) FILTER (WHERE u.state = 'applied') AS hours_applied,
    count(*) FILTER (WHERE u.state = 'expired') AS hours_expired
FROM reprice_plan AS p LEFT JOIN reprice_unit AS u ON u.plan = p.hash
GROUP BY p.hash ORDER BY p.number
"""


async def lock(connection: Connection) -> None:
    """One process at a time changes prices of stored rows; DatabaseError names who does."""
    await session_lock.lock(connection, "analytics.reprice", "prices of stored rows are being changed")


async def require_idle(connection: Connection) -> None:
    """UsageError while a plan changes rows."""
    if (active := await connection.fetchrow(_ACTIVE)) is not None:
        raise UsageError(_not_done(active["hash"], PlanState(active["state"])))


async def save(connection: Session, plan: Plan) -> None:
    """Keeps it until it is applied, or for a week; UsageError while another one changes rows."""
    await require_idle(connection)
    digest = plan.hash
    async with connection.transaction():
        await connection.execute(_DELETE_OLD)
        status = await connection.execute(
            _INSERT,
            digest,
            *(json.dumps(each) for each in (plan.scope.as_dict(), plan.books.as_dict(), plan.groups())),
        )
        if status == "INSERT 0 1":
            records = [(digest, *hour, HourState.PLANNED.value, rows) for hour, rows in sorted(plan.hours.items())]
            await connection.copy_records_to_table("reprice_unit", records=records, columns=_HOURS)


async def load(connection: Connection, digest: str) -> StoredPlan:
    """UsageError where there is none of that hash."""
    row = await connection.fetchrow(_LOAD, digest)
    if row is None:
        raise UsageError(f"there is no plan {digest}: `prices plans` shows those there are")
    return StoredPlan(
        hash=row["hash"],
        state=PlanState(row["state"]),
        scope=Scope.of_dict(json.loads(row["scope"])),
        books=Books.of_dict(json.loads(row["books"])),
    )


async def begin(connection: Connection, plan: StoredPlan, state: PlanState) -> float:
    """The seconds since it was begun, now or by a process that was stopped; UsageError where another has to end
    first.
    """
    if plan.state is not state:
        await _begin(connection, plan, state)
    age: float = await connection.fetchval(_AGE, plan.hash)
    return max(age, 0.0)  # a standby that took over may have a clock that is behind


async def _begin(connection: Connection, plan: StoredPlan, state: PlanState) -> None:
    if (active := await connection.fetchrow(_ACTIVE)) is not None and active["hash"] != plan.hash:
        raise UsageError(_not_done(active["hash"], PlanState(active["state"])))
    try:
        await set_state(connection, plan.hash, state)
    except asyncpg.UniqueViolationError:
        raise UsageError("another plan was begun just now: `prices plans` shows it") from None


def _not_done(digest: str, state: PlanState) -> str:
    cure = f"prices apply {digest}, or " if state is PlanState.APPLYING else ""
    return f"plan {digest} is not done: end it first with {cure}prices undo {digest}"


async def set_state(connection: Connection, digest: str, state: PlanState) -> None:
    await connection.execute(_SET_STATE, digest, state.value)


async def hours(connection: Connection, digest: str, state: HourState) -> list[Hour]:
    """Those in that state, in the order of organisations and time."""
    return [Hour(*row) for row in await connection.fetch(_IN_STATE, digest, state.value)]


async def counts(connection: Connection, digest: str) -> dict[HourState, tuple[int, int]]:
    """The numbers of hours and of their rows in each state."""
    rows = {HourState(row["state"]): (row["hours"], row["rows"]) for row in await connection.fetch(_COUNTS, digest)}
    return {state: rows.get(state, (0, 0)) for state in HourState}


async def plans(connection: Connection) -> Sequence[dict[str, Any]]:
    """All of them, the oldest first."""
    return [dict(row) for row in await connection.fetch(_LIST)]
