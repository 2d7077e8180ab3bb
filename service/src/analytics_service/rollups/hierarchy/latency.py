"""The statements that make histograms of latency and registers of users: rows of arrays. Pure.

Arguments of `..._of_raw`: those of totals.from_raw; of the others: those of totals.from_finer.
"""

from typing import Final

from analytics_service.rollups import sketches
from analytics_service.rollups.hierarchy.columns import is_single
from analytics_service.rollups.hierarchy.raw import DIMS, LOGGED, SEGMENTS, bucket_of, same_dimensions
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.hierarchy.totals import finer_rows

TTFT_CODES: Final = 4096
"""A code is the bin of a duration, or this number more than the bin of a time to the first token."""
RANKS: Final = 128
"""A code of users is this many times the register, plus its rank."""


def codes_of(row: str) -> tuple[str, str]:
    """SQL: the codes of a row of raw, which may be NULL."""
    return sketches.bin_of(f"{row}.duration_us"), f"{sketches.bin_of(f'{row}.ttft_us')} + {TTFT_CODES}::smallint"


def _bins(table: Table, condition: str) -> str:
    """The select of bucket, dim, code and number, of single requests that meet the condition."""
    return f"""SELECT {bucket_of(table.step, "t.ts")} AS bucket, d.dim, m.code::smallint AS code, count(*) AS n
    FROM {SEGMENTS}
    JOIN dims AS d ON {same_dimensions("d", "t")}
    CROSS JOIN LATERAL (VALUES {", ".join(f"({each})" for each in codes_of("t"))}) AS m (code)
    WHERE t.is_request AND {is_single("t")} AND m.code IS NOT NULL AND {condition}
    GROUP BY 1, 2, 3"""


ARRAYS: Final = "array_agg(code ORDER BY code) AS codes, array_agg(n ORDER BY code) AS counts"


def histograms_of_raw(table: Table) -> str:
    """Makes buckets equal to raw, and returns bucket and dim of each row that changed, as totals.from_raw."""
    name = table.sql
    condition = f"NOT {LOGGED}" if table is Table.LATENCY_1MIN else "true"
    return f"""
WITH {DIMS}, fresh AS MATERIALIZED (
  SELECT bucket, dim, {ARRAYS}
  FROM (
    {_bins(table, condition)}
  ) AS bins
  GROUP BY 1, 2
), stored AS MATERIALIZED (
  SELECT bucket, dim, codes, counts FROM {name} WHERE org_id = $1 AND bucket = ANY($6::timestamptz[])
), changed AS MATERIALIZED (
  TABLE fresh EXCEPT TABLE stored
), gone AS MATERIALIZED (
  SELECT bucket, dim FROM stored EXCEPT SELECT bucket, dim FROM fresh
), removed AS (
  DELETE FROM {name} AS r USING gone AS g
  WHERE r.org_id = $1 AND r.bucket = ANY($6::timestamptz[]) AND r.bucket = g.bucket AND r.dim = g.dim
), written AS (
  INSERT INTO {name} (org_id, bucket, dim, codes, counts) SELECT $1, bucket, dim, codes, counts FROM changed
  ON CONFLICT (org_id, bucket, dim) DO UPDATE SET codes = excluded.codes, counts = excluded.counts
)
SELECT bucket, dim FROM changed UNION SELECT bucket, dim FROM gone"""


def histograms_of_finer(table: Table) -> str:
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, codes, counts)
SELECT $1, bucket, dim, array_agg(code ORDER BY code), array_agg(n ORDER BY code)
FROM (
  SELECT {bucket_of(table.step, "r.bucket")} AS bucket, r.dim, e.code, sum(e.n)::bigint AS n
  FROM {finer_rows(table)}
  CROSS JOIN LATERAL unnest(r.codes, r.counts) AS e (code, n)
  GROUP BY 1, 2, 3
) AS bins
GROUP BY 2, 3"""


def registers_of_finer(table: Table) -> str:
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, codes)
SELECT $1, bucket, dim, array_agg(code ORDER BY code)
FROM (
  SELECT {bucket_of(table.step, "r.bucket")} AS bucket, r.dim, max(e.code) AS code
  FROM {finer_rows(table)}
  CROSS JOIN LATERAL unnest(r.codes) AS e (code)
  GROUP BY 1, 2, e.code / {RANKS}
) AS registers
GROUP BY 2, 3"""


def registers_of_parts(table: Table) -> str:
    code = f"({sketches.register_of('h.hash')}::integer * {RANKS} + {sketches.rank_of('h.hash')})"
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, codes)
SELECT $1, bucket, dim, array_agg(code ORDER BY code)
FROM (
  SELECT bucket, dim, max({code}) AS code
  FROM (
    SELECT DISTINCT {bucket_of(table.step, "p.bucket")} AS bucket, e.dim, e.user_id
    FROM unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
    JOIN rollup_part AS p ON p.org_id = $1 AND p.bucket >= s.first AND p.bucket < s.last
    CROSS JOIN LATERAL unnest(p.dims, p.users) AS e (dim, user_id)
    WHERE e.user_id IS NOT NULL AND ($4::integer[] IS NULL OR e.dim = ANY($4::integer[]))
  ) AS users
  CROSS JOIN LATERAL (SELECT {sketches.hash_of("users.user_id")} AS hash) AS h
  GROUP BY bucket, dim, {sketches.register_of("h.hash")}
) AS registers
GROUP BY 2, 3"""
