"""The end of journals with the raw rows whose marks they have, and of plans of which nothing can be undone any more."""

from collections.abc import AsyncGenerator
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.tenancy import RAW_HORIZON

JOURNAL: Final = "reclassify_journal"
_BATCH: Final = 10_000
"""Rows of one statement."""
_END: Final = f"""
WITH ended AS (
  DELETE FROM reclassify_journal WHERE (plan, org_id, trace_id, span_id, ts) IN (
    SELECT plan, org_id, trace_id, span_id, ts FROM reclassify_journal WHERE ts < {RAW_HORIZON} ORDER BY ts LIMIT $1
  ) RETURNING ts
)
SELECT count(*) FROM ended
"""
_END_PLANS: Final = """
DELETE FROM reclassify_plan AS p WHERE state IN ('applied', 'undone') AND planned_at < now() - interval '7 days'
  AND NOT EXISTS (SELECT FROM reclassify_journal AS j WHERE j.plan = p.hash)
"""


async def retain_journal(connection: Connection) -> AsyncGenerator[int, None]:
    """Ends the journal of rows that are gone, in batches, each in a transaction; yields their numbers of rows.

    Then plans end that were applied or undone and have no journal, a week after they were made.
    """
    while rows := await connection.fetchval(_END, _BATCH):
        yield rows
    await connection.execute(_END_PLANS)
