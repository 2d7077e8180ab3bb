"""The statement that makes parts equal to raw, and adds what changed in them to the days by user, team and tag. Pure.

A part is the requests of a quarter of an hour by dimensions, user, team and tags together. A row of a day is the sum
over the parts at every moment: of the day so far while it is open, and without reading a day again when a row comes
late. So a reader can take a part away from its day, and put raw in its place. A sum that is zero is NULL in them.

Arguments from $1 to $5: rollups/hierarchy/raw.py. $6 are the starts of the parts, $7 to $9 the horizons of DAYS: a day
whose rows are gone is not begun again.
"""

from typing import Final

from analytics_service.rollups.hierarchy.columns import SUMS, sum_of, sums_of_raw
from analytics_service.rollups.hierarchy.raw import DIMS, SEGMENTS, bucket_of, same_dimensions
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import PART_STEP, Table

KEYS: Final = ("dim", "user_id", "team_id", "tags")
"""Of an element of a part; `tags` is the text of an array."""
PART_COLUMNS: Final = ("dims", "users", "teams", "tags", *SUMS)
"""The arrays of a part, in the order of KEYS and SUMS."""
DAYS: Final = {Table.USER_1DAY: "user_id", Table.TEAM_1DAY: "team_id", Table.TAG_1DAY: "tag"}
"""The column that each day is grouped by, beside the dimensions."""
_SUMS: Final = ", ".join(SUMS)
_ADDED: Final = ", ".join(f"{sum_of(name)} AS {name}" for name in SUMS)

ELEMENTS: Final = f"unnest({', '.join(f'p.{name}' for name in PART_COLUMNS)}) AS e ({', '.join((*KEYS, *SUMS))})"
"""SQL: the elements of the part `p`."""


def _added(rows: str, keys: str, since: str) -> str:
    changed = " OR ".join(f"{sum_of(name)} <> 0" for name in SUMS)
    return f"SELECT {keys}, {_ADDED} FROM {rows} WHERE bucket >= {since} GROUP BY {keys} HAVING {changed}"


def _day(table: Table) -> str:
    key = DAYS[table]
    since = f"${7 + list(DAYS).index(table)}::timestamptz"
    source = "signed" if table is Table.USER_1DAY else "groups"
    rows = f"(SELECT {bucket_of(Step.DAY.width, 'part')} AS bucket, {source}.* FROM {source}) AS c"
    if table is Table.TAG_1DAY:  # a tag that a request has twice counts once
        rows += " LEFT JOIN LATERAL (SELECT DISTINCT tag FROM unnest(c.tags::text[]) AS each (tag)) AS u ON true"
    written = ", ".join(_grown("d", "excluded", name) for name in SUMS)
    shown = ", ".join(_inserted(name) for name in SUMS)
    # in the order of the index, whose pages, and those of the table, are then touched one after another
    return f"""
  INSERT INTO {table.sql} AS d (org_id, bucket, {key}, dim, {_SUMS})
  SELECT $1, bucket, {key}, dim, {shown}
  FROM ({_added(rows, f"bucket, {key}, dim", since)}) AS added
  ORDER BY bucket, {key}, dim
  ON CONFLICT (org_id, bucket, {key}, dim) DO UPDATE SET {written}"""


def _inserted(name: str) -> str:
    return f"{name}::bigint" if name == "request_count" else f"nullif({name}, 0)"


def _grown(row: str, more: str, name: str) -> str:
    if name == "request_count":
        return f"{name} = {row}.{name} + {more}.{name}"
    return f"{name} = nullif(coalesce({row}.{name}, 0) + coalesce({more}.{name}, 0), 0)"


def refresh_parts() -> str:
    """Returns the starts of the parts and the combinations that changed in them.

    Where `removes` is true, rows of the day may have come to nothing, for `delete_empty`.
    """
    part = bucket_of(PART_STEP, "t.ts")
    arrays = ", ".join(_array(name) for name in (*KEYS, *SUMS))
    written = ", ".join(f"{name} = excluded.{name}" for name in PART_COLUMNS)
    minus = ", ".join(f"-{name}" for name in SUMS)
    keys = ", ".join(KEYS)
    # only a part that is stored is compared: of live data there are few
    new = "FROM fresh WHERE bucket NOT IN (TABLE known)"
    return f"""
WITH {DIMS}, fresh AS MATERIALIZED (
  SELECT {part} AS bucket, d.dim, t.user_id, t.team_id, t.tags::text AS tags, {sums_of_raw("t")}
  FROM {SEGMENTS}
  JOIN dims AS d ON {same_dimensions("d", "t")}
  WHERE t.is_request
  GROUP BY 1, d.dim, t.team_id, 5, t.user_id  -- in the order of `groups`, which then need no order of their own
), known AS MATERIALIZED (
  SELECT bucket FROM rollup_part WHERE org_id = $1 AND bucket = ANY($6::timestamptz[])
), compared AS (
  SELECT * FROM fresh WHERE bucket IN (TABLE known)
), stored AS MATERIALIZED (
  SELECT p.bucket, e.* FROM rollup_part AS p CROSS JOIN LATERAL {ELEMENTS}
  WHERE p.org_id = $1 AND p.bucket = ANY($6::timestamptz[])
), written AS (
  INSERT INTO rollup_part (org_id, bucket, {", ".join(PART_COLUMNS)})
  SELECT $1, bucket, {arrays} FROM fresh GROUP BY bucket
  ON CONFLICT (org_id, bucket) DO UPDATE SET {written}
), emptied AS (
  DELETE FROM rollup_part AS p
  WHERE p.org_id = $1 AND p.bucket = ANY($6::timestamptz[])
    AND NOT EXISTS (SELECT FROM fresh AS f WHERE f.bucket = p.bucket)
), differences AS MATERIALIZED (
  SELECT bucket AS part, {keys}, {_SUMS} FROM (TABLE compared EXCEPT TABLE stored) AS more
  UNION ALL SELECT bucket, {keys}, {minus} FROM (TABLE stored EXCEPT TABLE compared) AS less
), signed AS (
  SELECT bucket AS part, {keys}, {_SUMS} {new} UNION ALL TABLE differences
), groups AS MATERIALIZED (
  SELECT bucket AS part, dim, team_id, tags, {_ADDED} {new} GROUP BY bucket, dim, team_id, tags
  UNION ALL SELECT part, dim, team_id, tags, {_ADDED} FROM differences GROUP BY part, dim, team_id, tags
), users AS ({_day(Table.USER_1DAY)}
), teams AS ({_day(Table.TEAM_1DAY)}
), tags AS ({_day(Table.TAG_1DAY)}
)
SELECT part AS bucket, dim, bool_or(requests < 0) AS removes
FROM (
  SELECT part, dim, sum(request_count) AS requests FROM differences GROUP BY part, {keys}
  UNION ALL SELECT DISTINCT part, dim, 0 FROM groups
) AS changed
GROUP BY part, dim"""


def _array(name: str) -> str:
    """The array of a column over the elements; NULL where none has a value."""
    every = f"array_agg({name})"
    return every if name in {"dim", "request_count"} else f"CASE WHEN count({name}) > 0 THEN {every} END"


def delete_empty(table: Table) -> str:
    """Takes the rows of days away whose requests have gone. Arguments: $1 organisation, $2 days."""
    return f"DELETE FROM {table.sql} WHERE org_id = $1 AND bucket = ANY($2::timestamptz[]) AND request_count = 0"


CLEAR_UNPARTED: Final = f"""
WITH days AS (
  DELETE FROM rollup_unparted WHERE org_id = $1 AND day = ANY($2::timestamptz[]) RETURNING day
), {
    ", ".join(
        f"{table.value} AS (DELETE FROM {table.sql} AS r USING days WHERE r.org_id = $1 AND r.bucket = days.day)"
        for table in DAYS
    )
}
SELECT day FROM days"""
"""Takes the rows of days away that were converted from the rollups of before: without parts nothing shows what a change
adds to them. Returns those days; all parts of them are stale. Arguments: $1 organisation, $2 days."""
