"""Ends rows of rollups: first the rollup's horizon moves, then the rows below it are deleted in batches.

Readers take nothing from below the horizon of a rollup from the moment when it has moved, so they never see a bucket
whose rows are half deleted: the next finer source answers there. Nor does a refresh build a coarser bucket from it.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final, TypeAlias

from analytics_service.database.connect import Connection
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.levels import Level
from analytics_service.rollups.retention.horizon import BUMP_VERSIONS, EARLIEST, LOCK_HORIZON, ORGANISATIONS
from analytics_service.rollups.retention.step import RetentionStep, StepKind

Rollup: TypeAlias = Table | Level
"""One of this release, or of the one before."""
BATCH_ROWS: Final = 10_000
"""That one transaction deletes."""
_STATE: Final = f"""
SELECT greatest(floor, {EARLIEST}) AS horizon, greatest(deleted_until, {EARLIEST}) AS deleted_until
FROM {{horizons}} WHERE {{name}} = $1
"""
_MOVE_HORIZON: Final = "UPDATE {horizons} SET floor = $2 WHERE {name} = $1 AND floor < $2"
_MARK_DELETED: Final = "UPDATE {horizons} SET deleted_until = floor WHERE {name} = $1"


async def retain_rollup(
    connection: Connection, rollup: Rollup, until: datetime | None, *, batch: int = BATCH_ROWS
) -> AsyncGenerator[RetentionStep, None]:
    """Deletes the rows of a rollup before a UTC midnight, if there are any; None deletes nothing more.

    The horizon waits for refreshes, and they for it: they read rows of finer rollups above it.
    """
    table = sql_of(rollup)
    state = await connection.fetchrow(_in_horizons(_STATE, rollup), rollup.value)
    if state is None:
        return
    horizon, organisations = state["horizon"], [row[0] for row in await connection.fetch(ORGANISATIONS)]
    if until is not None and until > horizon and await _any_before(connection, table, organisations, until):
        async with connection.transaction():
            await connection.execute(LOCK_HORIZON)
            await connection.execute(_in_horizons(_MOVE_HORIZON, rollup), rollup.value, until)
            await connection.execute(BUMP_VERSIONS, horizon, until)
        horizon = until
        yield RetentionStep(kind=StepKind.MOVED, target=rollup.value)
    if horizon <= state["deleted_until"]:
        return
    for organisation in organisations:
        while rows := await _delete(connection, table, organisation, horizon, batch):
            yield RetentionStep(kind=StepKind.DELETED, target=rollup.value, rows=rows)
    await connection.execute(_in_horizons(_MARK_DELETED, rollup), rollup.value)


def sql_of(rollup: Rollup) -> str:
    """The name of the table in the database."""
    return rollup.sql if isinstance(rollup, Table) else rollup.table


def horizons_of(rollup: Rollup) -> tuple[str, str]:
    """The table with the horizon of the rollup, and the column that names the rollup there."""
    return ("rollup_horizon", "name") if isinstance(rollup, Table) else ("rollup_level", "level")


def _in_horizons(statement: str, rollup: Rollup) -> str:
    horizons, name = horizons_of(rollup)
    return statement.format(horizons=horizons, name=name)


async def _any_before(connection: Connection, table: str, organisations: list[str], until: datetime) -> bool:
    first = f"SELECT FROM {table} WHERE org_id = o.org_id AND bucket < $2 LIMIT 1"
    exists: bool = await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM unnest($1::text[]) AS o (org_id) CROSS JOIN LATERAL ({first}) AS old)",
        organisations,
        until,
    )
    return exists


async def _delete(connection: Connection, table: str, organisation: str, horizon: datetime, batch: int) -> int:
    """Deletes a batch in the order of the primary key, so that the next one begins where this one ended."""
    oldest = f"SELECT ctid FROM {table} WHERE org_id = $1 AND bucket < $2 ORDER BY bucket LIMIT {batch}"
    status = await connection.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({oldest}))", organisation, horizon)
    return int(status.rsplit(" ", 1)[1])
