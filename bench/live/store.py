"""What a run reads of the database and loads into it, by names that the store of 0.3 and its successor share.

The log of what is stale is `rollup_dirty` of old, with an entry a level; where `rollup_log` exists it is that table, of
minutes, with `rollup_stale` for all coarser buckets. Then `rollup_dirty` is there for older releases only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from analytics_service.policies.plan import cutoff
from analytics_service.rollups.hierarchy.backlog import WIDTH
from bench.database.rows import RANGE, insert

ROWS_A_STATEMENT = 100_000
_DAYS_A_CALL = 30
"""Of partitions that one statement makes."""
_DIRTY = (
    "SELECT 'rollup_dirty' AS log, level, org_id, bucket_start + split_part(level, '_', 1)::interval AS ends,"
    " NULL::timestamptz AS logged FROM rollup_dirty"
)
_LOG = (
    "SELECT 'rollup_log', 'minute', org_id, minute + interval '1 minute', logged_at FROM rollup_log"
    f" UNION ALL SELECT 'rollup_stale', s.step, s.org_id, s.bucket + {WIDTH}, NULL FROM rollup_stale AS s"
)
_SIZES = """
SELECT CASE
    WHEN name ~ '^(traces|_hyper|compress_hyper)' THEN 'raw'
    WHEN name IN ('rollup_dirty', 'rollup_log', 'rollup_stale') THEN 'log'
    WHEN name LIKE 'rollup%' THEN 'rollups'
    ELSE 'other' END AS part, sum(size)::bigint AS bytes
FROM (
  SELECT c.relname AS name, pg_total_relation_size(c.oid) AS size
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema)'
) AS tables
GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class LogLength:
    entries: dict[str, int]
    """By table and level."""
    ended: int
    """Entries of buckets that have ended: what a worker has to do."""
    oldest_seconds: float | None
    """How long the oldest entry of a minute that has ended waits; None where entries have no time."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """To be made: evenly between two times, numbered from `first`."""

    first: int
    count: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Store:
    connection: Any
    has_minutes: bool
    """Whether the log is of minutes."""

    @property
    def _log(self) -> str:
        return _LOG if self.has_minutes else _DIRTY

    async def log_length(self, organisations: list[str] | None = None) -> LogLength:
        rows = await self.connection.fetch(
            "SELECT log, level, count(*) AS entries, count(*) FILTER (WHERE ends <= now()) AS ended, extract("
            "epoch FROM now() - min(greatest(logged, ends)) FILTER (WHERE logged IS NOT NULL AND ends <= now()))"
            f" AS oldest FROM ({self._log}) AS entries (log, level, org_id, ends, logged)"
            " WHERE $1::text[] IS NULL OR org_id = ANY($1) GROUP BY 1, 2 ORDER BY 1, 2",
            organisations,
        )
        return LogLength(
            entries={f"{row['log']} {row['level']}": row["entries"] for row in rows},
            ended=sum(row["ended"] for row in rows),
            oldest_seconds=max((float(row["oldest"] or 0) for row in rows), default=0.0) if self.has_minutes else None,
        )

    async def legacy_days(self) -> int:
        """Days of the rollups of the release before that a worker still has to fill; 0 in that release's own store."""
        if not self.has_minutes:
            return 0
        days = (
            "SELECT DISTINCT org_id, date_bin('1 day', bucket_start, 'epoch') FROM rollup_dirty WHERE bucket_start < $1"
        )
        due = cutoff(1, datetime.now(UTC))  # as worker/legacy.py has it
        return int(await self.connection.fetchval(f"SELECT count(*) FROM ({days}) AS days", due))

    async def entries_of_one_row(self) -> dict[str, int]:
        """How many entries of the log one row writes that arrives alone, by table; nothing of it stays."""
        tables = ("rollup_log", "rollup_stale", "rollup_dirty") if self.has_minutes else ("rollup_dirty",)
        counted = ", ".join(f"(SELECT count(*) FROM {each} WHERE org_id = 'alone') AS {each}" for each in tables)
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute(insert("SELECT 1::bigint AS n, now() AS ts"), "alone")
            return dict(await self.connection.fetchrow(f"SELECT {counted}"))
        finally:
            await transaction.rollback()

    async def sizes(self) -> dict[str, int]:
        """Bytes of `raw` with its indexes, `rollups`, the `log` and all `other` tables."""
        rows = await self.connection.fetch(_SIZES)
        return {"raw": 0, "rollups": 0, "log": 0, "other": 0} | {row["part"]: row["bytes"] for row in rows}

    async def make_partitions(self, start: datetime, end: datetime) -> None:
        while start <= end:
            until = min(start + timedelta(days=_DAYS_A_CALL), end)
            await self.connection.fetchval("SELECT ensure_partitions($1, $2)", start, until)
            start += timedelta(days=_DAYS_A_CALL, microseconds=1)

    async def fill(self, organisation: str, rows: Rows, done: Callable[[int], None]) -> None:
        """Inserts the rows; calls `done` with the number of each statement."""
        await self.make_partitions(rows.start, rows.end)
        every, statement = (rows.end - rows.start) / max(rows.count, 1), insert(RANGE)
        for number in range(0, rows.count, ROWS_A_STATEMENT):
            count, first = min(ROWS_A_STATEMENT, rows.count - number), rows.first + number
            start = rows.start + number * every
            await self.connection.execute(statement, organisation, start, first, every, first + count - 1, timeout=3600)
            done(count)

    async def vacuum(self) -> None:
        """With the statistics that a database has that runs for a while."""
        await self.connection.execute("VACUUM ANALYZE", timeout=3600)


async def open_store(connection: Any) -> Store:
    return Store(connection, has_minutes=await connection.fetchval("SELECT to_regclass('rollup_log') IS NOT NULL"))
