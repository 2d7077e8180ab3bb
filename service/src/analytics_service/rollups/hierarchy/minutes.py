"""The statement that adds rows to minutes: totals and histograms, by one reading of raw. Pure.

Arguments: those of raw.py, and $8 and $9, the horizons of totals and of histograms of minutes.
"""

from typing import Final

from analytics_service.rollups.hierarchy.columns import DIMENSIONS, MEASURES, TOTALS, USAGE, is_single, totals_of_raw
from analytics_service.rollups.hierarchy.latency import ARRAYS, codes_of
from analytics_service.rollups.hierarchy.raw import ADDED, SEGMENTS, bucket_of, same_dimensions
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import Table

_TOTALS: Final = Table.TOTALS_1MIN.sql
_LATENCY: Final = Table.LATENCY_1MIN.sql
_COLUMNS: Final = ", ".join(TOTALS)
_DIMENSIONS: Final = ", ".join(DIMENSIONS)
_MEASURED: Final = ("request_weight", *MEASURES, *USAGE)
_VALUES: Final = ", ".join(_MEASURED)


def _grown(name: str) -> str:
    if name.endswith(("_min", "_max")):
        return f"{name} = {'least' if name.endswith('_min') else 'greatest'}(r.{name}, excluded.{name})"
    return f"{name} = coalesce(r.{name} + excluded.{name}, r.{name}, excluded.{name})"


def _bins(code: str) -> str:
    return f"""SELECT n.bucket, n.dim, ({code})::smallint AS code, count(*) AS n FROM numbered AS n
  WHERE n.bucket >= $9 AND {is_single("n")} AND {code} IS NOT NULL GROUP BY 1, 2, 3"""


ADD: Final = f"""
WITH known AS MATERIALIZED (
  SELECT {bucket_of(Step.MINUTE.width, "t.ts")} AS bucket, d.dim,
    {", ".join(f"t.{each}" for each in (*DIMENSIONS, *_MEASURED))}
  FROM {SEGMENTS}
  LEFT JOIN rollup_dimension AS d ON d.org_id = $1 AND {same_dimensions("d", "t")}
  WHERE t.is_request AND {ADDED}
), created AS (
  INSERT INTO rollup_dimension (org_id, {_DIMENSIONS})
  SELECT DISTINCT $1, {_DIMENSIONS} FROM known WHERE dim IS NULL
  RETURNING dim, {_DIMENSIONS}
), numbered AS NOT MATERIALIZED (
  SELECT bucket, dim, {_VALUES} FROM known WHERE dim IS NOT NULL
  UNION ALL SELECT k.bucket, c.dim, {_VALUES} FROM known AS k JOIN created AS c ON {same_dimensions("c", "k")}
  WHERE k.dim IS NULL
), totals AS (
  INSERT INTO {_TOTALS} AS r (org_id, bucket, dim, {_COLUMNS})
  SELECT $1, n.bucket, n.dim, {totals_of_raw("n")} FROM numbered AS n WHERE n.bucket >= $8 GROUP BY 2, 3
  ON CONFLICT (org_id, bucket, dim) DO UPDATE SET {", ".join(map(_grown, TOTALS))}
  RETURNING bucket, dim
), bins AS MATERIALIZED (
  {" UNION ALL ".join(_bins(code) for code in codes_of("n"))}
), stored AS (
  SELECT r.bucket, r.dim, e.code, e.n
  FROM {_LATENCY} AS r
  JOIN (SELECT DISTINCT bucket, dim FROM bins) AS b ON b.bucket = r.bucket AND b.dim = r.dim
  CROSS JOIN LATERAL unnest(r.codes, r.counts) AS e (code, n)
  WHERE r.org_id = $1 AND r.bucket = ANY($6::timestamptz[])
), latency AS (
  INSERT INTO {_LATENCY} AS r (org_id, bucket, dim, codes, counts)
  SELECT $1, bucket, dim, {ARRAYS}
  FROM (
    SELECT bucket, dim, code, sum(n)::bigint AS n FROM (TABLE bins UNION ALL TABLE stored) AS every GROUP BY 1, 2, 3
  ) AS summed
  GROUP BY 2, 3
  ON CONFLICT (org_id, bucket, dim) DO UPDATE SET codes = excluded.codes, counts = excluded.counts
  RETURNING bucket, dim
)
SELECT bucket, dim FROM totals UNION SELECT bucket, dim FROM latency"""
"""Returns bucket and dim of each row that changed; numbers new combinations."""
