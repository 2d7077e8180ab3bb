"""The statements that make totals: minutes from raw, and coarser buckets from finer ones or from raw. Pure.

Arguments from $1 to $5: rollups/hierarchy/raw.py. $6 are the buckets, $7 the combinations that changed, NULL for all.
"""

from analytics_service.rollups.hierarchy.columns import DIMENSIONS, TOTALS, totals_of_finer, totals_of_raw
from analytics_service.rollups.hierarchy.raw import LOGGED, SEGMENTS, bucket_of, same_dimensions
from analytics_service.rollups.hierarchy.tables import FINER, Table

_COLUMNS = ", ".join(TOTALS)
_DIMENSIONS = ", ".join(DIMENSIONS)
_WRITTEN = ", ".join(f"{name} = excluded.{name}" for name in TOTALS)


def _fresh(table: Table, rows: str) -> str:
    """`fresh`: the totals of rows of raw; numbers their new combinations."""
    return f"""totals AS MATERIALIZED (
  SELECT {bucket_of(table.step, "t.ts")} AS bucket, {", ".join(f"t.{each}" for each in DIMENSIONS)},
    {totals_of_raw("t")}
  FROM {rows}
  GROUP BY 1, {", ".join(str(place) for place in range(2, 2 + len(DIMENSIONS)))}
), created AS (
  INSERT INTO rollup_dimension (org_id, {_DIMENSIONS})
  SELECT DISTINCT $1, {_DIMENSIONS} FROM totals AS f
  WHERE NOT EXISTS (SELECT FROM rollup_dimension AS d WHERE d.org_id = $1 AND {same_dimensions("d", "f")})
  RETURNING dim, {_DIMENSIONS}
), dims AS MATERIALIZED (
  SELECT dim, {_DIMENSIONS} FROM rollup_dimension WHERE org_id = $1 UNION ALL TABLE created
), fresh AS MATERIALIZED (
  SELECT f.bucket, d.dim, {_COLUMNS} FROM totals AS f JOIN dims AS d ON {same_dimensions("d", "f")}
)"""


def from_raw(table: Table) -> str:
    """Makes buckets equal to raw, and returns bucket and dim of each row that changed; numbers new combinations.

    Rows that stay are not written, so a late row makes one combination of the coarser buckets stale, not all of them.
    Minutes are left without the rows that will be added.
    """
    name = table.sql
    rows = f"{SEGMENTS} WHERE t.is_request"
    if table is Table.TOTALS_1MIN:
        rows += f" AND NOT {LOGGED}"
    return f"""
WITH {_fresh(table, rows)}, stored AS MATERIALIZED (
  SELECT bucket, dim, {_COLUMNS} FROM {name} WHERE org_id = $1 AND bucket = ANY($6::timestamptz[])
), changed AS MATERIALIZED (
  TABLE fresh EXCEPT TABLE stored
), gone AS MATERIALIZED (
  SELECT bucket, dim FROM stored EXCEPT SELECT bucket, dim FROM fresh
), removed AS (
  DELETE FROM {name} AS r USING gone AS g
  WHERE r.org_id = $1 AND r.bucket = ANY($6::timestamptz[]) AND r.bucket = g.bucket AND r.dim = g.dim
), written AS (
  INSERT INTO {name} (org_id, bucket, dim, {_COLUMNS}) SELECT $1, bucket, dim, {_COLUMNS} FROM changed
  ON CONFLICT (org_id, bucket, dim) DO UPDATE SET {_WRITTEN}
)
SELECT bucket, dim FROM changed UNION SELECT bucket, dim FROM gone"""


def number() -> str:
    """Numbers the new combinations of segments of which no totals are made from raw; arguments: those of raw.py."""
    return f"""
INSERT INTO rollup_dimension (org_id, {_DIMENSIONS})
SELECT DISTINCT $1, {", ".join(f"t.{each}" for each in DIMENSIONS)}
FROM {SEGMENTS}
WHERE t.is_request
  AND NOT EXISTS (SELECT FROM rollup_dimension AS d WHERE d.org_id = $1 AND {same_dimensions("d", "t")})"""


def delete(table: Table) -> str:
    """Takes the rows of the combinations away, before `from_finer` makes them again."""
    return f"""
DELETE FROM {table.sql}
WHERE org_id = $1 AND bucket = ANY($2::timestamptz[]) AND ($3::integer[] IS NULL OR dim = ANY($3::integer[]))"""


def from_finer(table: Table) -> str:
    """Arguments: $1 organisation, $2 and $3 the segments, $4 the combinations, NULL for all."""
    return f"""
INSERT INTO {table.sql} (org_id, bucket, dim, {_COLUMNS})
SELECT $1, {bucket_of(table.step, "r.bucket")}, r.dim, {totals_of_finer("r")}
FROM {finer_rows(table)}
GROUP BY 2, 3"""


def finer_rows(table: Table) -> str:
    """The rows of the finer table in the segments, as `r`."""
    return f"""unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
CROSS JOIN LATERAL (
  SELECT * FROM {FINER[table].sql} AS inside
  WHERE inside.org_id = $1 AND inside.bucket >= s.first AND inside.bucket < s.last
    AND ($4::integer[] IS NULL OR inside.dim = ANY($4::integer[]))
  OFFSET 0
) AS r"""
