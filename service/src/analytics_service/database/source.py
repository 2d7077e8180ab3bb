"""Where every answer about requests comes from: `WITH dirty AS (...), ..., requests AS (...)`, to put before a SELECT.

One statement, so one snapshot: what the dirty log says, what the rollups hold and what raw holds belong together, and
the answer equals the one from raw at every moment, while writers and refreshes run. A bucket that lies wholly in the
range and is not in the log is read from its rollup; dirty ones and the two edges are read from the next finer source
of CHAINS, and at last from raw, as contiguous segments, so that only their part of raw is touched.

Arguments: $1 organisation, $2 projects (text[] or NULL for all), $3 from, $4 to (half-open). Yours start at $5.
"""

from datetime import timedelta
from functools import cache
from typing import Final

from analytics_service.database.columns import DETAILS, from_raw, from_rollup
from analytics_service.database.levels import Level

CHAINS: Final = {
    Level.MIN1: (Level.MIN1,),
    Level.MIN15: (Level.MIN15,),
    Level.HOUR: (Level.HOUR,),
    Level.DAY: (Level.DAY, Level.HOUR),  # else today, and both edges, would read up to a day of raw each
}

EPOCH: Final = "'1970-01-01T00:00:00Z'::timestamptz"
_PROJECTS = "($2::text[] IS NULL OR {alias}.project_id = ANY($2::text[]))"


@cache
def requests(level: Level) -> str:
    """The common table expressions that end with `requests`, whose columns are those of a rollup.

    A row stands for `request_count` requests of its `bucket`; group by what you need. At Level.RAW a row is one
    request, `bucket` is its moment, and the columns of `DETAILS` are there too. `dirty` holds `bucket_start` of every
    bucket of the range that its rollup does not know yet: its minimum is the watermark.
    """
    if level is Level.RAW:
        return _raw_only()
    chain = CHAINS[level]
    expressions = [f"dirty AS ({_dirty(level)})"]
    sources = []
    for number, each in enumerate(chain):
        expressions += _gaps(each, number)
        sources.append(_clean(each, number, bucket=_bin(level, "r.bucket")))
    sources.append(_from_segments(len(chain) - 1, bucket=_bin(level, "t.ts")))
    expressions.append(f"requests AS ({'  UNION ALL'.join(sources)})")
    return "WITH " + ",\n".join(expressions)


def interval(step: timedelta) -> str:
    """The literal of a level's step."""
    return f"interval '{int(step.total_seconds())} seconds'"


def _bin(level: Level, moment: str) -> str:
    return f"date_bin({interval(level.step)}, {moment}, {EPOCH})"


def _dirty(level: Level) -> str:
    """Buckets of the range in the log. Those below the floor stay as they are: their raw rows are gone."""
    return f"""
  SELECT DISTINCT d.bucket_start FROM rollup_dirty AS d
  WHERE d.org_id = $1 AND d.level = '{level.code}' AND d.bucket_start < $4::timestamptz
    AND d.bucket_start >= greatest({_bin(level, "$3::timestamptz")}, (SELECT floor FROM rollup_floor))
"""


def _gaps(level: Level, number: int) -> list[str]:
    """`gaps_n`: the buckets that this level cannot answer; `segments_n`: the same as contiguous ranges of time."""
    if number == 0:
        dirty = "SELECT bucket_start FROM dirty"
    else:
        coarser = f"SELECT FROM segments_{number - 1} AS s WHERE d.bucket_start >= s.first AND d.bucket_start < s.last"
        dirty = f"SELECT d.bucket_start FROM ({_dirty(level)}) AS d WHERE EXISTS ({coarser})"
    edges = " ".join(
        f"UNION SELECT {_bin(level, end)} WHERE {_bin(level, end)} <> {end}"
        for end in ("$3::timestamptz", "$4::timestamptz")
    )
    step = interval(level.step)
    segments = f"""segments_{number} AS (
  SELECT greatest(min(bucket_start), $3::timestamptz) AS first,
    least(max(bucket_start) + {step}, $4::timestamptz) AS last
  FROM (
    SELECT bucket_start, bucket_start - {step} * row_number() OVER (ORDER BY bucket_start) AS island FROM gaps_{number}
  ) AS numbered
  GROUP BY island
)"""
    return [f"gaps_{number} AS ({dirty} {edges})", segments]


def _clean(level: Level, number: int, *, bucket: str) -> str:
    """Whole buckets of this level that lie in the gaps of the coarser one and not in its own."""
    rows = f"{level.table} AS r" if number == 0 else _lateral(level.table, "bucket", number - 1, alias="r")
    return f"""
  SELECT {from_rollup("r", bucket)}
  FROM {rows}
  WHERE r.org_id = $1 AND r.bucket >= $3::timestamptz AND r.bucket < $4::timestamptz AND {_PROJECTS.format(alias="r")}
    AND NOT EXISTS (SELECT FROM gaps_{number} AS g WHERE g.bucket_start = r.bucket)
"""


def _from_segments(number: int, *, bucket: str) -> str:
    return f"""
  SELECT {from_raw("t", bucket)}
  FROM {_lateral("traces", "ts", number, alias="t")}
  WHERE t.is_request AND {_PROJECTS.format(alias="t")}
"""


def _lateral(table: str, moment: str, number: int, *, alias: str) -> str:
    """Rows of the organisation in the segments. OFFSET 0 keeps the segments outside: each is one range of an index."""
    return f"""segments_{number} AS s CROSS JOIN LATERAL (
    SELECT * FROM {table} AS inside
    WHERE inside.org_id = $1 AND inside.{moment} >= s.first AND inside.{moment} < s.last
      AND inside.{moment} >= $3::timestamptz AND inside.{moment} < $4::timestamptz
    OFFSET 0
  ) AS {alias}"""


def _raw_only() -> str:
    return f"""WITH dirty AS (SELECT NULL::timestamptz AS bucket_start WHERE false),
requests AS (
  SELECT {from_raw("t", "t.ts")},
    {", ".join(f"t.{column}" for column in DETAILS)}
  FROM traces AS t
  WHERE t.org_id = $1 AND t.ts >= $3::timestamptz AND t.ts < $4::timestamptz AND t.is_request
    AND {_PROJECTS.format(alias="t")}
)"""
