"""The end of journals: by hand, and with the raw rows whose prices they have."""

from collections.abc import AsyncGenerator
from typing import Final

from analytics_service.database.connect import Connection, Session
from analytics_service.database.plan_state import PlanState
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.errors import UsageError
from analytics_service.repricing.store import load, lock

JOURNAL: Final = "reprice_journal"
_FORGET: Final = ("DELETE FROM reprice_journal WHERE plan = $1", "DELETE FROM reprice_plan WHERE hash = $1")
_EXPIRED: Final = f"""
SELECT plan, org_id, hour FROM reprice_unit WHERE state = 'applied' AND hour < {RAW_HORIZON} ORDER BY hour
"""
_END: Final = """
WITH ended AS (
  DELETE FROM reprice_journal
  WHERE plan = $1 AND org_id = $2 AND ts >= $3::timestamptz AND ts < $3::timestamptz + interval '1 hour' RETURNING ts
), marked AS (
  UPDATE reprice_unit SET state = 'expired' WHERE plan = $1 AND org_id = $2 AND hour = $3
)
SELECT count(*) FROM ended
"""


async def forget(connection: Session, digest: str) -> None:
    """Drops a plan with its journal: what it changed stays, and cannot be undone. UsageError while it is not done."""
    await lock(connection)
    plan = await load(connection, digest)
    if plan.state in {PlanState.APPLYING, PlanState.UNDOING}:
        raise UsageError(f"plan {digest} is not done: end it first with `prices undo {digest}`, or apply it to its end")
    async with connection.transaction():
        for statement in _FORGET:
            await connection.execute(statement, digest)


async def retain_journal(connection: Connection) -> AsyncGenerator[int, None]:
    """Ends the journal of hours whose raw rows are gone, one in a transaction; yields its number of rows."""
    for row in await connection.fetch(_EXPIRED):
        yield await connection.fetchval(_END, *row)
