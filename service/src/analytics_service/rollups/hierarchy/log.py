"""The statements that take entries out of the log, and keep what is stale above the minutes. Pure.

Writers append to `rollup_log` in their own transactions, and touch nothing else. Whoever takes entries out of it makes
their minutes equal to raw and the next coarser buckets stale in one transaction. So at every moment a bucket that
differs from raw is named: by an entry in it, by its own row in `rollup_stale`, or by one of a finer bucket.

An entry with a transaction stands for the rows that it inserted into the minute, which are added to the minute when
the entry leaves the log: until then the minute has all others. An entry without one stands for any change.
"""

from functools import cache
from typing import Final

from analytics_service.rollups.hierarchy.columns import EPOCH
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.tables import Stage

LOCK_KEY: Final = "hashtextextended('analytics.rollups/' || $1::text, 0)"
LOCK: Final = f"SELECT pg_advisory_xact_lock({LOCK_KEY})"
"""One refresh of an organisation at a time: so nobody else numbers its combinations, or writes its rollups."""
SHARE_HORIZONS: Final = "SELECT FROM rollup_floor FOR SHARE"
"""Neither raw rows nor those of rollups are dropped while they are read: who moves any horizon locks this one first."""

MAX_ROWS: Final = 20_000
"""That wait: readers compute with each of them at every question."""
BUSY_WAIT: Final = "interval '5 seconds'"
"""Where there are more: a refresh reads the whole of a minute, however many of its rows are new."""

CONSUME: Final = f"""
WITH waiting AS (
  SELECT minute, min(logged_at) AS oldest, max(logged_at) AS newest, sum(rows) AS rows FROM rollup_log
  WHERE org_id = $1 AND minute < $2 GROUP BY minute
), due AS (
  SELECT minute FROM waiting
  WHERE (
    SELECT max(newest) <= clock_timestamp() - $3::interval OR min(oldest) <= clock_timestamp() - $4::interval
      OR (sum(rows) > {MAX_ROWS} AND min(oldest) <= clock_timestamp() - {BUSY_WAIT})
    FROM waiting
  )
  ORDER BY minute LIMIT $5
), consumed AS (
  DELETE FROM rollup_log AS l USING due WHERE l.org_id = $1 AND l.minute = due.minute RETURNING l.*
), versions AS (
  INSERT INTO rollup_version AS v (org_id, day, version)
  SELECT $1, {bucket_of(Stage.DAY.width, "minute")}, count(*) FROM consumed GROUP BY 2
  ON CONFLICT (org_id, day) DO UPDATE SET version = v.version + excluded.version
)
SELECT minute, count(*) AS entries, bool_or(requests) AS requests,
  array_agg(DISTINCT transaction_id) FILTER (WHERE requests) AS transactions
FROM consumed GROUP BY minute ORDER BY minute
"""
"""Takes all minutes at once: a refresh of few rows costs as much as one of hundreds.

Arguments: $1 organisation, $2 the moment before which minutes begin, $3 for how long nothing was logged, or $4 for how
long something waits, $5 minutes at most. The version grows by what leaves the log: a key that is
the sum of both moves with writes alone. `transactions` inserted requests; a NULL among them stands for any change."""


MAX_REQUESTS: Final = 200_000
_REQUESTS_BEFORE: Final = """, sum((
    SELECT sum(t.request_count) FROM rollup_totals_15min AS t WHERE t.org_id = $1 AND t.bucket = s.bucket
  )) OVER (ORDER BY s.bucket ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS requests_before"""
_LIMITED: Final = f" AND coalesce(due.requests_before, 0) < {MAX_REQUESTS}"


@cache
def mark(stage: Stage) -> str:
    """Arguments: $1 organisation, $2 moments, $3 a combination for each, NULL for all of them."""
    return f"""
INSERT INTO rollup_stale AS s (org_id, step, bucket, dims)
SELECT $1, '{stage.value}', {bucket_of(stage.width, "c.moment")},
  CASE WHEN bool_and(c.dim IS NOT NULL) THEN array_agg(DISTINCT c.dim) END
FROM unnest($2::timestamptz[], $3::integer[]) AS c (moment, dim)
GROUP BY 3
ON CONFLICT (org_id, step, bucket) DO UPDATE SET dims = CASE
  WHEN s.dims IS NOT NULL AND excluded.dims IS NOT NULL
  THEN (SELECT array_agg(DISTINCT dim) FROM unnest(s.dims || excluded.dims) AS each (dim)) END"""


@cache
def consume(stage: Stage) -> str:
    """Takes stale buckets that have ended by $2, and in which nothing finer is stale; $3 of them at most.

    One in which something finer is stale is rebuilt later, and until then readers use the finer ones. Parts are made of
    raw: as many are taken as have MAX_REQUESTS, or one, so that a statement's memory is bounded.
    """
    width = f"interval '{int(stage.width.total_seconds())} seconds'"
    finer = "".join(
        f"""
    AND NOT EXISTS (
      SELECT FROM rollup_stale AS f WHERE f.org_id = $1 AND f.step = '{each.value}'
        AND f.bucket >= s.bucket AND f.bucket < s.bucket + {width}
    )"""
        for each in stage.finer
    )
    requests, limited = ("", "") if stage is not Stage.PART else (_REQUESTS_BEFORE, _LIMITED)
    return f"""
DELETE FROM rollup_stale AS d USING (
  SELECT s.bucket{requests} FROM rollup_stale AS s
  WHERE s.org_id = $1 AND s.step = '{stage.value}' AND s.bucket + {width} <= $2
    AND NOT EXISTS (
      SELECT FROM rollup_log AS l
      WHERE l.org_id = $1 AND l.requests AND l.minute >= s.bucket AND l.minute < s.bucket + {width}
    ){finer}
  ORDER BY s.bucket LIMIT $3
) AS due
WHERE d.org_id = $1 AND d.step = '{stage.value}' AND d.bucket = due.bucket{limited}
RETURNING d.bucket, d.dims"""


HORIZONS: Final = f"""
SELECT 'raw' AS name, greatest(floor, {EPOCH}) AS floor FROM rollup_floor
UNION ALL SELECT name, greatest(floor, {EPOCH}) FROM rollup_horizon
"""
