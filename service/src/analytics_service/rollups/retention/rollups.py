"""Ends rows of rollups: first the level's horizon moves, then the rows below it are deleted in batches.

Readers take nothing from below the horizon of a level from the moment when it has moved, so they never see a bucket
whose rows are half deleted: the next finer source answers there (see rollups/query.py).
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.rollups.levels import Level
from analytics_service.rollups.retention.horizon import BUMP_VERSIONS, EARLIEST, ORGANISATIONS
from analytics_service.rollups.retention.step import RetentionStep, StepKind

BATCH_ROWS: Final = 10_000
"""That one transaction deletes."""
_STATE: Final = f"""
SELECT greatest(floor, {EARLIEST}) AS horizon, greatest(deleted_until, {EARLIEST}) AS deleted_until
FROM rollup_level WHERE level = $1
"""
_MOVE_HORIZON: Final = "UPDATE rollup_level SET floor = $2 WHERE level = $1 AND floor < $2"
_MARK_DELETED: Final = "UPDATE rollup_level SET deleted_until = floor WHERE level = $1"


async def retain_rollup(
    connection: Connection, level: Level, until: datetime | None, *, batch: int = BATCH_ROWS
) -> AsyncGenerator[RetentionStep, None]:
    """Deletes the rows of a rollup before a UTC midnight, if there are any; None deletes nothing more."""
    state = await connection.fetchrow(_STATE, level.code)
    if state is None:
        return
    horizon, organisations = state["horizon"], [row[0] for row in await connection.fetch(ORGANISATIONS)]
    if until is not None and until > horizon and await _any_before(connection, level, organisations, until):
        async with connection.transaction():
            await connection.execute(_MOVE_HORIZON, level.code, until)
            await connection.execute(BUMP_VERSIONS, horizon, until)
        horizon = until
        yield RetentionStep(kind=StepKind.MOVED, target=level.code)
    if horizon <= state["deleted_until"]:
        return
    for organisation in organisations:
        while rows := await _delete(connection, level, organisation, horizon, batch):
            yield RetentionStep(kind=StepKind.DELETED, target=level.code, rows=rows)
    await connection.execute(_MARK_DELETED, level.code)


async def _any_before(connection: Connection, level: Level, organisations: list[str], until: datetime) -> bool:
    first = f"SELECT FROM {level.table} WHERE org_id = o.org_id AND bucket < $2 LIMIT 1"
    exists: bool = await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM unnest($1::text[]) AS o (org_id) CROSS JOIN LATERAL ({first}) AS old)",
        organisations,
        until,
    )
    return exists


async def _delete(connection: Connection, level: Level, organisation: str, horizon: datetime, batch: int) -> int:
    """Deletes a batch in the order of the primary key, so that the next one begins where this one ended."""
    oldest = f"SELECT ctid FROM {level.table} WHERE org_id = $1 AND bucket < $2 ORDER BY bucket LIMIT {batch}"
    status = await connection.execute(
        f"DELETE FROM {level.table} WHERE ctid = ANY(ARRAY({oldest}))", organisation, horizon
    )
    return int(status.rsplit(" ", 1)[1])
