"""Applies a plan, or undoes it by its journal: an hour of an organisation is one transaction.

An hour is old or new in every snapshot, and what a killed process has not committed the next one does. Rows that others
write meanwhile are never overwritten: an update names what it read, and where that is gone the hour begins again.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from analytics_service.database.changes import RowsChangedError, transact
from analytics_service.database.compressed import FOR_COMPRESSED
from analytics_service.database.connect import Connection, Session
from analytics_service.database.plan_state import PlanState
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.errors import UsageError
from analytics_service.ingest.pricing import Prices
from analytics_service.repricing import store
from analytics_service.repricing.plan import Hour
from analytics_service.repricing.rows import FINGERPRINT, KEY, PRICE, Price, candidates, changed_price
from analytics_service.repricing.store import HourState, StoredPlan
from analytics_service.units.freshness import FRESHNESS

_HOUR: Final = timedelta(hours=1)
_TYPES: Final = {"ts": "timestamptz", "trace_id": "text", "span_id": "text", "fingerprint": "bigint"}
_PRICE_TYPES: Final = dict(zip(PRICE, ("numeric", "numeric", "numeric", "text", "text"), strict=True))
_OLD, _NEW = ([f"{age}_{name}" for name in PRICE] for age in ("old", "new"))
_COLUMNS: Final = (*_TYPES, *_OLD, *_NEW)
_ARRAYS: Final = ", ".join(
    f"${number}::{kind}[]"
    for number, kind in enumerate((*_TYPES.values(), *_PRICE_TYPES.values(), *_PRICE_TYPES.values()), start=5)
)
_ROW: Final = "t.org_id = $2 AND t.ts >= $3 AND t.ts < $4"
"""Compared with values and not with rows, for TimescaleDB then opens the compressed batches of the hour alone."""
_SAME_KEY: Final = " AND ".join(f"t.{name} = n.{name}" for name in KEY)
_UPDATE: Final = f"""
WITH n AS MATERIALIZED (
  SELECT * FROM unnest({_ARRAYS}) AS n ({", ".join(_COLUMNS)})
), written AS (
  UPDATE traces AS t SET {", ".join(f"{name} = n.new_{name}" for name in PRICE)}
  FROM n WHERE {_ROW} AND {_SAME_KEY} AND {FINGERPRINT} = n.fingerprint
  RETURNING {", ".join(f"t.{name}" for name in KEY)}
)
INSERT INTO reprice_journal (plan, org_id, {", ".join((*KEY, *_OLD, *_NEW))})
SELECT $1, $2, {", ".join((*KEY, *_OLD, *_NEW))} FROM n JOIN written USING ({", ".join(KEY)})
"""
_RESTORE: Final = f"""
WITH n AS MATERIALIZED (
  DELETE FROM reprice_journal WHERE plan = $1 AND org_id = $2 AND ts >= $3 AND ts < $4 RETURNING *
), written AS (
  UPDATE traces AS t SET {", ".join(f"{name} = n.old_{name}" for name in PRICE)}
  FROM n WHERE {_ROW} AND {_SAME_KEY}
    AND ({", ".join(f"t.{name}" for name in PRICE)}) IS NOT DISTINCT FROM ({", ".join(f"n.{name}" for name in _NEW)})
  RETURNING t.ts
)
SELECT (SELECT count(*) FROM written) AS written, (SELECT count(*) FROM n) AS journal
"""
_FORGET_HOUR: Final = "DELETE FROM reprice_journal WHERE plan = $1 AND org_id = $2 AND ts >= $3 AND ts < $4"
_MARK: Final = (
    "UPDATE reprice_unit SET state = $4, rows = coalesce($5, rows) WHERE plan = $1 AND org_id = $2 AND hour = $3"
)
_HAS_RAW: Final = f"SELECT $1::timestamptz >= {RAW_HORIZON}"


class Done(NamedTuple):
    """What became of an hour."""

    state: HourState
    rows: int
    """That were changed."""
    left: int = 0
    """Rows that others have changed since the plan was applied: undoing leaves them as they are."""


Work = Callable[[Hour], Coroutine[Any, Any, Done]]
Sleep = Callable[[float], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """After the transaction of an hour."""

    hour: Hour
    done: Done
    number: int
    """Of `total`, from 1."""
    total: int


async def apply(
    connection: Session,
    digest: str,
    *,
    settle_seconds: float = FRESHNESS.max_age_seconds,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[Step, None]:
    """Applies the hours that are left; nothing where the plan is applied already.

    UsageError where the plan may not be applied, DatabaseError where another process has the lock. The first hour
    changes `settle_seconds` after the plan has begun, also where the process that began it was stopped: no answer of
    before is given then that does not name the plan.
    """
    await store.lock(connection)
    plan = await store.load(connection, digest)
    if plan.state in {PlanState.UNDOING, PlanState.UNDONE}:
        raise UsageError(f"plan {digest} was undone, or is being undone: plan again")
    if plan.state is PlanState.APPLIED:
        return
    prices = plan.books.prices()

    async def work(hour: Hour) -> Done:
        return await _apply(connection, plan, hour, prices)

    await sleep(settle_seconds - await store.begin(connection, plan, PlanState.APPLYING))
    async for step in _each(connection, await store.hours(connection, digest, HourState.PLANNED), work):
        yield step
    await store.set_state(connection, digest, PlanState.APPLIED)


async def undo(
    connection: Session,
    digest: str,
    *,
    settle_seconds: float = FRESHNESS.max_age_seconds,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[Step, None]:
    """Gives the rows of every hour that was applied their price of before, the last hour first; errors as `apply`."""
    await store.lock(connection)
    plan = await store.load(connection, digest)
    if plan.state is PlanState.PLANNED:
        raise UsageError(f"plan {digest} was never applied")
    if plan.state is PlanState.UNDONE:
        return

    async def work(hour: Hour) -> Done:
        return await _undo(connection, plan, hour)

    await sleep(settle_seconds - await store.begin(connection, plan, PlanState.UNDOING))
    applied = await store.hours(connection, digest, HourState.APPLIED)
    async for step in _each(connection, applied[::-1], work):
        yield step
    await store.set_state(connection, digest, PlanState.UNDONE)


async def _each(connection: Session, hours: Sequence[Hour], work: Work) -> AsyncGenerator[Step, None]:
    for number, hour in enumerate(hours, start=1):
        yield Step(hour=hour, done=await _in_transaction(connection, hour, work), number=number, total=len(hours))


async def _in_transaction(connection: Session, hour: Hour, work: Work) -> Done:
    async def work_on_hour() -> Done:
        await connection.execute(FOR_COMPRESSED)
        return await work(hour)

    return await transact(connection, work_on_hour, rows=f"{hour.organisation} at {hour.start:%Y-%m-%d %H:%M}")


async def _apply(connection: Session, plan: StoredPlan, hour: Hour, prices: Prices) -> Done:
    if not await connection.fetchval(_HAS_RAW, hour.start):
        return await _mark(connection, plan, hour, Done(HourState.EXPIRED, 0))
    rows, end = 0, hour.start + _HOUR
    async for batch in candidates(connection, plan.scope, hour.organisation, hour.start, end):
        changes = [(row, after) for row in batch if (after := changed_price(row, prices)) is not None]
        if changes:
            await _write(connection, plan, hour, changes)
            rows += len(changes)
    return await _mark(connection, plan, hour, Done(HourState.APPLIED, rows))


async def _write(
    connection: Connection, plan: StoredPlan, hour: Hour, changes: Sequence[tuple[asyncpg.Record, Price]]
) -> None:
    names = (*KEY, "fingerprint", *PRICE)
    arrays = [[row[name] for row, _ in changes] for name in names]
    arrays += [[after[number] for _, after in changes] for number in range(len(PRICE))]
    status = await connection.execute(_UPDATE, plan.hash, hour.organisation, hour.start, hour.start + _HOUR, *arrays)
    if status != f"INSERT 0 {len(changes)}":
        raise RowsChangedError


async def _undo(connection: Session, plan: StoredPlan, hour: Hour) -> Done:
    span = (plan.hash, hour.organisation, hour.start, hour.start + _HOUR)
    if not await connection.fetchval(_HAS_RAW, hour.start):
        await connection.execute(_FORGET_HOUR, *span)
        return await _mark(connection, plan, hour, Done(HourState.EXPIRED, 0))
    row = await connection.fetchrow(_RESTORE, *span)
    written, journal = (row["written"], row["journal"]) if row else (0, 0)
    return await _mark(connection, plan, hour, Done(HourState.UNDONE, written, journal - written))


async def _mark(connection: Connection, plan: StoredPlan, hour: Hour, done: Done) -> Done:
    """Notes it in the same transaction; of hours without raw rows the plan's number of rows stays."""
    rows = None if done.state is HourState.EXPIRED else done.rows
    await connection.execute(_MARK, plan.hash, *hour, done.state.value, rows)
    return done
