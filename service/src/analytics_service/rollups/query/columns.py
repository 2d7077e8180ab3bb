"""The columns of `requests`, `latency` and `users`, from rows of a rollup, of parts and of raw. Pure SQL text.

A row of a rollup is `r`, its combination of dimensions `d`, and a row of raw `t`. Whatever it comes from, a sum is NULL
where none of its requests has a value, and a row stands for `request_count` requests.
"""

from typing import Final

from analytics_service.database.tenancy import predicate
from analytics_service.rollups import sketches
from analytics_service.rollups.hierarchy.columns import DIMENSIONS, MEASURES, TOTALS, USAGE, counts, is_single
from analytics_service.rollups.hierarchy.latency import RANKS, TTFT_CODES
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.tables import Table

DETAILS: Final = ("user_id", "session_id", "team_id", "tags", "trace_id", "span_id", "error_message")
"""The columns that only raw has."""

COMBINATIONS: Final = f"JOIN rollup_dimension AS d ON d.dim = r.dim AND {predicate('d')}"
"""Every row of a rollup is joined with its combination, and so confined to the organisation and its projects. With the
table itself, not with an expression: the planner knows that a combination is there once, and makes a hash table of
them."""


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in DIMENSIONS)


def totals(bucket: str) -> str:
    rows = [f"r.{name}" for name in TOTALS if not name.endswith("_missing")]
    return f"{bucket} AS bucket, {_of('d')}, {', '.join(rows)}, {counts('r')}"


def totals_of_raw(bucket: str) -> str:
    single = f"CASE WHEN {is_single('t')} THEN t.{{}} END"
    extremes = (f"{single.format(measure)} AS {measure}_{part}" for measure in MEASURES for part in ("min", "max"))
    sums = ["t.request_weight AS request_count", *_sums_of_raw(), *extremes, *_counts_of_raw()]
    return f"{bucket} AS bucket, {_of('t')}, {', '.join(sums)}"


def requests_of_raw() -> str:
    """A row a request, or a sum of many, at its own moment, with the columns that only raw has."""
    return f"{totals_of_raw('t.ts')}, {', '.join(f't.{name}' for name in DETAILS)}"


def details(key: str, bucket: str, sums: tuple[str, ...]) -> str:
    """Of a row by user, team or tag with `sums`, where a sum that is zero is NULL."""
    columns = [f"{bucket} AS bucket", _of("d"), f"r.{key}", "r.request_count"]
    if len(sums) > 1:
        known = "r.request_count > coalesce(r.{0}_missing, 0)"
        columns += [
            f"CASE WHEN {known.format(each)} THEN coalesce(r.{each}_sum, 0) END AS {each}_sum" for each in MEASURES
        ]
        columns += [*(f"r.{usage}_sum" for usage in USAGE), counts("r")]
    return ", ".join(columns)


def details_of_raw(key: str, value: str, bucket: str, sums: tuple[str, ...]) -> str:
    columns = [f"{bucket} AS bucket", _of("t"), f"{value} AS {key}", "t.request_weight AS request_count"]
    if len(sums) > 1:
        columns += [*_sums_of_raw(), *_counts_of_raw()]
    return ", ".join(columns)


def _sums_of_raw() -> list[str]:
    return [f"t.{name}::numeric AS {name}_sum" for name in (*MEASURES, *USAGE)]


def _counts_of_raw() -> list[str]:
    return [f"CASE WHEN t.{each} IS NULL THEN 0 ELSE t.request_weight END AS {each}_count" for each in MEASURES]


def sketch(table: Table) -> str:
    """Arrays, which `sketched` unnests once their rows are grouped: of codes, and of how often each comes."""
    arrays = "r.codes" if is_of_users(table) else "r.codes, r.counts"
    return f"r.bucket, {_of('d')}, {arrays}"


def is_of_users(table: Table) -> bool:
    return table in {Table.USERS_1HOUR, Table.USERS_6HOUR, Table.PART}


def latency_of_raw() -> str:
    codes = f"ARRAY[{sketches.bin_of('t.duration_us')}, {sketches.bin_of('t.ttft_us')} + {TTFT_CODES}::smallint]"
    return f"t.ts AS bucket, {_of('t')}, {codes}::smallint[] AS codes, ARRAY[1, 1]::bigint[] AS counts"


def users_of_raw(rows: str, boundaries: str | None) -> str:
    """The registers of rows of raw: each user of an hour, or a part of it, and a combination is hashed once."""
    bucket = bucket_of(Table.USERS_1HOUR.step, "t.ts")
    if boundaries is not None:
        starts = f"{boundaries}::timestamptz[]"
        bucket = f"greatest({bucket}, ({starts})[width_bucket(t.ts, {starts})])"
    return f"""
  SELECT bucket, {", ".join(DIMENSIONS)}, ARRAY[{_code("h.hash")}] AS codes
  FROM (
    SELECT DISTINCT {bucket} AS bucket, {_of("t")}, t.user_id
    FROM {rows} AND t.user_id IS NOT NULL
  ) AS users
  CROSS JOIN LATERAL (SELECT {sketches.hash_of("users.user_id")} AS hash) AS h
"""


def users_of_part(part: str) -> str:
    """SQL: the registers of a part by dim; `part` has its arrays."""
    return f"""(
    SELECT {part}.bucket, users.dim, array_agg({_code("h.hash")}) AS codes
    FROM (
      SELECT DISTINCT e.dim, e.user_id FROM unnest({part}.dims, {part}.users) AS e (dim, user_id)
      WHERE e.user_id IS NOT NULL
    ) AS users
    CROSS JOIN LATERAL (SELECT {sketches.hash_of("users.user_id")} AS hash) AS h
    GROUP BY users.dim
  )"""


def _code(hash_: str) -> str:
    return f"{sketches.register_of(hash_)}::integer * {RANKS} + {sketches.rank_of(hash_)}"
