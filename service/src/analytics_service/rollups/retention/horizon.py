"""The horizon of raw: the statements that read and lock it, and its repair where others have dropped raw rows."""

from datetime import datetime
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.partitions import has_native_partitions
from analytics_service.rollups.hierarchy.tables import Stage, Table

EARLIEST: Final = "'1970-01-01T00:00:00Z'::timestamptz"
"""No row is older: stands for -infinity where a moment has to be a date in Python."""
HORIZON: Final = f"SELECT greatest(floor, {EARLIEST}) FROM rollup_floor"
LOCK_HORIZON: Final = f"{HORIZON} FOR UPDATE"  # waits for refreshes, which read raw above it
# Neither partitions nor chunks are made meanwhile, and rows are written into those that are there.
LOCK_PARTITION_SET: Final = "LOCK TABLE ONLY traces IN SHARE UPDATE EXCLUSIVE MODE"
BUMP_VERSIONS: Final = "UPDATE rollup_version SET version = version + 1 WHERE day >= $1 AND day < $2"
ORGANISATIONS: Final = """
WITH RECURSIVE o (org_id) AS (
    (SELECT org_id FROM rollup_version ORDER BY org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT v.org_id FROM rollup_version AS v WHERE v.org_id > o.org_id ORDER BY v.org_id LIMIT 1)
    FROM o WHERE o.org_id IS NOT NULL
)
SELECT org_id FROM o WHERE org_id IS NOT NULL
"""
"""Each once: a jump from one to the next in the index, instead of a scan over all of their days."""

_DAY: Final = "interval '1 day'"
_OLDEST: Final = "date_bin('1 day', (SELECT min({bound}) FROM {ranges}), {earliest})"
_STALE_STEPS: Final = ", ".join(f"'{stage.value}'" for stage in (Stage.DAY, *Stage.DAY.finer))
_OLDEST_WITH_ROLLUPS_BEFORE: Final = f"""
SELECT raw.oldest FROM (SELECT {{oldest}} AS oldest) AS raw
WHERE EXISTS (
    SELECT FROM ({ORGANISATIONS}) AS o CROSS JOIN LATERAL (
        SELECT FROM {Table.TOTALS_1DAY.sql} AS r
        WHERE r.org_id = o.org_id AND r.bucket >= (SELECT floor FROM rollup_floor) AND r.bucket < raw.oldest
            AND NOT EXISTS (
                SELECT FROM rollup_log AS l
                WHERE l.org_id = o.org_id AND l.requests AND l.minute >= r.bucket AND l.minute < r.bucket + {_DAY}
            )
            AND NOT EXISTS (
                SELECT FROM rollup_stale AS s
                WHERE s.org_id = o.org_id AND s.step IN ({_STALE_STEPS})
                    AND s.bucket >= r.bucket AND s.bucket < r.bucket + {_DAY}
            )
        LIMIT 1
    ) AS known
)
"""
_RAISE: Final = "UPDATE rollup_floor SET floor = $1, dropped_until = $1"


async def externally_dropped_until(connection: Connection) -> datetime | None:
    """The UTC midnight before which rollups know of rows, and raw has no partition or chunk any more.

    Our own retention never leaves that behind: somebody else has dropped them, and a late row would now make the
    refresh replace the sums of its day by those of that one row.
    """
    if await has_native_partitions(connection):
        oldest = _OLDEST.format(bound="lower_bound", ranges="traces_partitions", earliest=EARLIEST)
    else:
        chunks = "timescaledb_information.chunks WHERE hypertable_schema = 'public' AND hypertable_name = 'traces'"
        oldest = _OLDEST.format(bound="range_start", ranges=chunks, earliest=EARLIEST)
    moment: datetime | None = await connection.fetchval(_OLDEST_WITH_ROLLUPS_BEFORE.format(oldest=oldest))
    return moment


async def raise_horizon(connection: Connection) -> None:
    """Moves the horizon to where raw begins, inside a transaction; rollups keep the sums of the rows before it."""
    await connection.fetchval(LOCK_HORIZON)
    await connection.execute(LOCK_PARTITION_SET)
    if (moment := await externally_dropped_until(connection)) is not None:
        await connection.execute(_RAISE, moment)
