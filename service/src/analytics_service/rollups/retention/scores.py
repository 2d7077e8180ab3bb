"""Ends scores with the rows that they are of, and their sums with the totals of days."""

from collections.abc import AsyncGenerator
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.retention.horizon import EARLIEST, ORGANISATIONS
from analytics_service.rollups.retention.rollups import BATCH_ROWS
from analytics_service.rollups.retention.step import RetentionStep, StepKind

_HORIZON_OF_DAYS: Final = f"(SELECT floor FROM rollup_horizon WHERE name = '{Table.TOTALS_1DAY.value}')"
_TARGETS: Final = (("score", "ts", RAW_HORIZON), ("score_1day", "bucket", _HORIZON_OF_DAYS))
"""The table, its column of time, and the horizon, which has moved before: readers take nothing from below it."""


async def retain_scores(connection: Connection, *, batch: int = BATCH_ROWS) -> AsyncGenerator[RetentionStep, None]:
    """Deletes what is below the horizons, a batch of an organisation in a transaction."""
    organisations = [row[0] for row in await connection.fetch(ORGANISATIONS)]
    for table, column, horizon in _TARGETS:
        ended = f"org_id = $1 AND {column} < greatest({horizon}, {EARLIEST})"
        oldest = f"SELECT ctid FROM {table} WHERE {ended} ORDER BY {column} LIMIT {batch}"
        for organisation in organisations:
            while rows := await _deleted(connection, table, oldest, organisation):
                yield RetentionStep(kind=StepKind.DELETED, target=table, rows=rows)


async def _deleted(connection: Connection, table: str, rows: str, organisation: str) -> int:
    """The number of rows that are deleted, of those that a select names."""
    status = await connection.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({rows}))", organisation)
    return int(status.rsplit(" ", 1)[1])
