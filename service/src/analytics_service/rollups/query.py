"""Where every answer about requests comes from: `WITH dirty AS (...), ..., requests AS (...)`, to put before a SELECT.

One statement, so one snapshot: what the dirty log says, what the rollups hold and what raw holds belong together, and
the answer equals the one from raw at every moment, while writers and refreshes run. A bucket that lies wholly in the
range and is not in the log is read from its rollup; dirty ones and the two edges are read from the next finer source
of CHAINS, and at last from raw, as contiguous segments, so that only their part of raw is touched.

What retention has taken is not there to be read: below a rollup's floor the finer source answers, below raw's floor
a bucket counts by its start. `since` says from where on all of it is kept.

Arguments: $1 organisation, $2 projects (text[] or NULL for all), $3 from, $4 to (half-open). Yours start at $5.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

from analytics_service.database.tenancy import in_organisation, in_projects, predicate, predicate_in_range
from analytics_service.rollups.columns import SHAPES, from_raw, from_rollup
from analytics_service.rollups.levels import Level

CHAINS: Final[Mapping[Level, tuple[Level, ...]]] = MappingProxyType(
    {
        # else today, and both edges, would read up to a day of raw each
        Level.DAY: (Level.DAY, Level.HOUR),
        Level.DAY_LATENCY: (Level.DAY_LATENCY, Level.LATENCY),
    }
)
"""The sources of a level, from coarse to fine, where there is more than its own."""

WATERMARK: Final = """
SELECT min(bucket_start) AS watermark, (SELECT nullif(max(floor), '-infinity') FROM since) AS since FROM dirty
"""
"""One row: the oldest bucket that is read from raw, and from where on all is kept that was asked for."""

KEPT: Final = "SELECT nullif(floor, '-infinity') AS since FROM rollup_floor"
"""One row: from where on all of raw is kept."""

EPOCH: Final = "'1970-01-01T00:00:00Z'::timestamptz"
_RAW_FLOOR = "(SELECT floor FROM rollup_floor)"


@cache
def requests(level: Level, *sketches: Level) -> str:
    """The common table expressions that end with `requests`, whose columns are those of a rollup.

    A row stands for `request_count` requests of its `bucket`; group by what you need. At Level.RAW a row is one
    request, `bucket` is its moment, and the columns of `DETAILS` are there too. `dirty` holds `bucket_start` of every
    bucket of the range that its rollup does not know yet. The rows of each of `sketches` go by `name_of` it.
    """
    chains = {"requests": level, **{name_of(each): each for each in sketches}}
    expressions = [each for name, part in chains.items() for each in _stitched(name, part)]
    dirty = " UNION ALL ".join(f"SELECT bucket_start FROM {name}_dirty" for name in chains)
    since = " UNION ALL ".join(f"SELECT floor FROM {name}_since" for name in chains)
    return "WITH " + ",\n".join((*expressions, f"dirty AS ({dirty})", f"since AS ({since})"))


def name_of(sketch: Level) -> str:
    """`latency` or `users`."""
    return sketch.code.rpartition("_")[2]


def interval(step: timedelta) -> str:
    """The literal of a level's step."""
    return f"interval '{int(step.total_seconds())} seconds'"


def _bin(level: Level, moment: str) -> str:
    return f"date_bin({interval(level.step)}, {moment}, {EPOCH})"


def _floor(level: Level) -> str:
    return f"(SELECT floor FROM rollup_level WHERE level = '{level.code}')"


def _stitched(name: str, level: Level) -> list[str]:
    """The expressions `name`, `name`_dirty and `name`_since, and those that they are made of."""
    if level is Level.RAW:
        return _raw_only(name)
    chain = CHAINS.get(level, (level,))
    expressions = [f"{name}_dirty AS ({_dirty(level)})"]
    sources = []
    for number, each in enumerate(chain):
        expressions += _gaps(name, chain, number)
        sources.append(_clean(name, level, each, number))
    sources.append(_from_segments(name, level, len(chain) - 1))
    since = " , ".join((_RAW_FLOOR, *(_floor(each) for each in chain)))
    return [
        *expressions,
        f"{name} AS ({'  UNION ALL'.join(sources)})",
        f"{name}_since AS (SELECT least({since}) AS floor)",
    ]


def _dirty(level: Level) -> str:
    """Buckets of the range in the log. Those below raw's floor stay as they are: their raw rows are gone."""
    return f"""
  SELECT DISTINCT d.bucket_start FROM rollup_dirty AS d
  WHERE {in_organisation("d")} AND d.level = '{level.code}' AND d.bucket_start < $4::timestamptz
    AND d.bucket_start >= greatest({_bin(level, "$3::timestamptz")}, {_RAW_FLOOR}, {_floor(level)})
"""


def _gaps(name: str, chain: tuple[Level, ...], number: int) -> list[str]:
    """`gaps_n`: the buckets that this level cannot answer; `segments_n`: the same, and its floor, as ranges of time."""
    level, coarser = chain[number], f"{name}_segments_{number - 1}"
    finest = number == len(chain) - 1
    if number == 0:
        dirty, gone = (
            f"SELECT bucket_start FROM {name}_dirty",
            "SELECT $3::timestamptz AS first, $4::timestamptz AS last",
        )
    else:
        inside = f"SELECT FROM {coarser} AS s WHERE d.bucket_start >= s.first AND d.bucket_start < s.last"
        dirty, gone = f"SELECT d.bucket_start FROM ({_dirty(level)}) AS d WHERE EXISTS ({inside})", f"TABLE {coarser}"
    kept = f"greatest({_floor(level)}, {_RAW_FLOOR})" if finest else _floor(level)
    edges = " ".join(
        f"UNION SELECT {_bin(level, end)} WHERE {_bin(level, end)} <> {end} AND {_bin(level, end)} >= {kept}"
        for end in ("$3::timestamptz", "$4::timestamptz")
    )
    lowest = f"greatest(g.first, {_RAW_FLOOR})" if finest else "g.first"
    step = interval(level.step)
    segments = f"""{name}_segments_{number} AS (
  SELECT greatest(min(bucket_start), $3::timestamptz) AS first,
    least(max(bucket_start) + {step}, $4::timestamptz) AS last
  FROM (
    SELECT bucket_start, bucket_start - {step} * row_number() OVER (ORDER BY bucket_start) AS island
    FROM {name}_gaps_{number}
  ) AS numbered
  GROUP BY island
  UNION ALL
  SELECT {lowest}, least(g.last, {_floor(level)}) FROM ({gone}) AS g WHERE {lowest} < least(g.last, {_floor(level)})
)"""
    return [f"{name}_gaps_{number} AS ({dirty} {edges})", segments]


def _clean(name: str, answered: Level, level: Level, number: int) -> str:
    """Whole buckets of this level that lie in the gaps of the coarser one and not in its own."""
    rows = (
        f"{level.table} AS r" if number == 0 else _lateral(level.table, "bucket", f"{name}_segments_{number - 1}", "r")
    )
    return f"""
  SELECT {from_rollup(answered, "r", _bin(answered, "r.bucket"))}
  FROM {rows}
  WHERE {predicate("r")} AND r.bucket >= greatest($3::timestamptz, {_floor(level)}) AND r.bucket < $4::timestamptz
    AND NOT EXISTS (SELECT FROM {name}_gaps_{number} AS g WHERE g.bucket_start = r.bucket)
"""


def _from_segments(name: str, answered: Level, number: int) -> str:
    return f"""
  SELECT {from_raw(answered, _bin(answered, "t.ts"))}
  FROM {_lateral("traces", "ts", f"{name}_segments_{number}", "t")} {SHAPES[answered].joined}
  WHERE t.is_request AND {in_projects("t")}
"""


def _lateral(table: str, moment: str, segments: str, alias: str) -> str:
    """Rows of the organisation in the segments. OFFSET 0 keeps the segments outside: each is one range of an index."""
    return f"""{segments} AS s CROSS JOIN LATERAL (
    SELECT * FROM {table} AS inside
    WHERE {in_organisation("inside")} AND inside.{moment} >= s.first AND inside.{moment} < s.last
      AND inside.{moment} >= $3::timestamptz AND inside.{moment} < $4::timestamptz
    OFFSET 0
  ) AS {alias}"""


def _raw_only(name: str) -> list[str]:
    return [
        f"{name}_dirty AS (SELECT NULL::timestamptz AS bucket_start WHERE false)",
        f"""{name} AS (
  SELECT {from_raw(Level.RAW, "t.ts")}
  FROM traces AS t
  WHERE {predicate_in_range("t")} AND t.is_request
)""",
        f"{name}_since AS (SELECT {_RAW_FLOOR} AS floor)",
    ]
