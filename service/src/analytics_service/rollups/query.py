"""The requests that an answer is computed from: `WITH dirty AS (...), ..., requests AS (...)`, to put before a SELECT.

One statement, so one snapshot: the dirty log, the rollups and raw belong together, and the answer equals the one from
raw at every moment, while writers and refreshes run.

A bucket that lies wholly in the range and is not in the dirty log is read from its rollup. All others, which are the
dirty ones and those that the two ends of the range cut, are *gaps*: they are read from the next finer level of CHAINS,
whose own gaps go to the next one, and at last to raw. Neighbouring gaps become one *segment*, a range of time, so that
each is one range of an index and only that part of the finer table is touched.

Below the retention horizon of a rollup its rows are gone, or about to go: the whole range below it is a segment for the
next finer level. Below the horizon of raw, raw answers nothing and dirty entries are ignored. Segments there are read
from whole buckets of the FINER levels that are kept; the rest is *lost*: no level can tell its rows from those of the
same bucket outside the range, or none has them any more. COMPLETENESS names it.

Arguments: $1 organisation, $2 projects (text[] or NULL for all), $3 from, $4 to (half-open). Yours start at $5.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

from analytics_service.database.tenancy import RAW_HORIZON, in_organisation, in_projects, predicate, predicate_in_range
from analytics_service.rollups.columns import SHAPES, from_raw, from_rollup
from analytics_service.rollups.levels import Level

CHAINS: Final[Mapping[Level, tuple[Level, ...]]] = MappingProxyType(
    {
        # without the hours, today and both ends of the range would read up to a day of raw each
        Level.DAY: (Level.DAY, Level.HOUR),
        Level.DAY_LATENCY: (Level.DAY_LATENCY, Level.LATENCY),
    }
)
"""The sources of a level, from coarse to fine, where there is more than its own."""

FINER: Final[Mapping[Level, tuple[Level, ...]]] = MappingProxyType(
    {Level.DAY: (Level.MIN15, Level.MIN1), Level.HOUR: (Level.MIN15, Level.MIN1), Level.MIN15: (Level.MIN1,)}
)
"""The levels that answer in place of raw below its horizon; above it a level less is cheaper than fewer rows."""

COMPLETENESS: Final = """
SELECT (SELECT min(bucket_start) FROM dirty) AS watermark, below_retention,
  edges - below_retention AS edge_below_retention
FROM (
  SELECT coalesce(range_agg(tstzrange(first, last)) FILTER (WHERE NOT edge), '{}') AS below_retention,
    coalesce(range_agg(tstzrange(first, last)) FILTER (WHERE edge), '{}') AS edges
  FROM lost
) AS stretches
"""
"""One row: the oldest bucket that is read from raw, and what is lost, as rollups/incomplete.py takes it: what is below
every horizon, and parts of buckets that are kept."""

RAW_COMPLETENESS: Final = f"""
SELECT CASE WHEN $3::timestamptz < floor
  THEN tstzmultirange(tstzrange($3::timestamptz, least($4::timestamptz, floor))) ELSE '{{}}' END AS below_retention
FROM ({RAW_HORIZON}) AS raw
"""
"""One row: what is lost of a question that reads nothing but raw."""

EPOCH: Final = "'1970-01-01T00:00:00Z'::timestamptz"


@cache
def requests(level: Level, *sketches: Level) -> str:
    """The common table expressions that end with `requests`, whose columns are those of a rollup.

    A row stands for `request_count` requests of its `bucket`; group by what you need. At Level.RAW a row is one
    request, `bucket` is its moment, and the columns of `DETAILS` are there too. `dirty` holds `bucket_start` of every
    bucket of the range that its rollup does not know yet. The rows of each of `sketches` go by `name_of` it.
    """
    chains = {"requests": level, **{name_of(each): each for each in sketches}}
    expressions = [each for name, part in chains.items() for each in _combined(name, part)]
    dirty = " UNION ALL ".join(f"SELECT bucket_start FROM {name}_dirty" for name in chains)
    lost = " UNION ALL ".join(f"SELECT first, last, edge FROM {name}_lost" for name in chains)
    return "WITH " + ",\n".join((*expressions, f"dirty AS ({dirty})", f"lost AS ({lost})"))


def name_of(sketch: Level) -> str:
    """`latency` or `users`."""
    return sketch.code.rpartition("_")[2]


def interval(step: timedelta) -> str:
    """The literal of a level's step."""
    return f"interval '{int(step.total_seconds())} seconds'"


def _bin(level: Level, moment: str) -> str:
    return f"date_bin({interval(level.step)}, {moment}, {EPOCH})"


def _horizon(level: Level) -> str:
    return f"(SELECT floor FROM rollup_level WHERE level = '{level.code}')"


def _combined(name: str, level: Level) -> list[str]:
    """The expressions `name`, `name`_dirty and `name`_lost, and the gaps and segments that they are made of."""
    if level is Level.RAW:
        return _raw_only(name)
    chain, finer = CHAINS.get(level, (level,)), FINER.get(level, ())
    expressions = [f"{name}_dirty AS ({_dirty(level)})"]
    sources = []
    for number, each in enumerate(chain):
        expressions += _gaps(name, chain, number)
        sources.append(_from_rollup(name, level, each, number))
    sources.append(_from_segments(name, level, len(chain) - 1))
    below = f"{name}_below_0"
    expressions.append(
        f"{below} AS (SELECT first, least(last, {RAW_HORIZON}) AS last FROM {name}_segments_{len(chain) - 1}"
        f" WHERE first < {RAW_HORIZON})"
    )
    for number, each in enumerate(finer, start=1):
        sources.append(_from_finer(level, each, below))
        expressions.append(f"{name}_below_{number} AS ({_remainder(each, below)})")
        below = f"{name}_below_{number}"
    retained = f"least({', '.join(map(_horizon, (*chain, *finer)))})"
    return [
        *expressions,
        f"{name} AS ({'  UNION ALL'.join(sources)})",
        f"""{name}_lost AS (
  SELECT first, least(last, {retained}) AS last, false AS edge FROM {below} WHERE first < {retained}
  UNION ALL SELECT greatest(first, {retained}), last, true FROM {below} WHERE last > {retained}
)""",
    ]


def _dirty(level: Level) -> str:
    """Buckets of the range in the dirty log. Those below raw's horizon stay as they are: their raw rows are gone."""
    return f"""
  SELECT DISTINCT d.bucket_start FROM rollup_dirty AS d
  WHERE {in_organisation("d")} AND d.level = '{level.code}' AND d.bucket_start < $4::timestamptz
    AND d.bucket_start >= greatest({_bin(level, "$3::timestamptz")}, {RAW_HORIZON}, {_horizon(level)})
"""


def _gaps(name: str, chain: tuple[Level, ...], number: int) -> list[str]:
    """`gaps_n`: the buckets that level n of the chain cannot answer; `segments_n`: the same as ranges of time, with the
    range below the level's horizon.

    Consecutive buckets have the same `island`: the start of each minus as many steps as there are before it.
    """
    level, coarser = chain[number], f"{name}_segments_{number - 1}"
    if number == 0:
        dirty, outside = (
            f"SELECT bucket_start FROM {name}_dirty",
            "SELECT $3::timestamptz AS first, $4::timestamptz AS last",
        )
    else:
        inside = f"SELECT FROM {coarser} AS s WHERE d.bucket_start >= s.first AND d.bucket_start < s.last"
        dirty, outside = (
            f"SELECT d.bucket_start FROM ({_dirty(level)}) AS d WHERE EXISTS ({inside})",
            f"TABLE {coarser}",
        )
    own, step = _horizon(level), interval(level.step)
    edges = " ".join(
        f"UNION SELECT {_bin(level, end)} WHERE {_bin(level, end)} <> {end} AND {_bin(level, end)} >= {own}"
        for end in ("$3::timestamptz", "$4::timestamptz")
    )
    segments = f"""{name}_segments_{number} AS (
  SELECT greatest(min(bucket_start), $3::timestamptz) AS first,
    least(max(bucket_start) + {step}, $4::timestamptz) AS last
  FROM (
    SELECT bucket_start, bucket_start - {step} * row_number() OVER (ORDER BY bucket_start) AS island
    FROM {name}_gaps_{number}
  ) AS numbered
  GROUP BY island
  UNION ALL
  SELECT g.first, least(g.last, {own}) FROM ({outside}) AS g WHERE g.first < least(g.last, {own})
)"""
    return [f"{name}_gaps_{number} AS ({dirty} {edges})", segments]


def _from_rollup(name: str, answered: Level, level: Level, number: int) -> str:
    """Whole buckets of this level that lie in the segments of the coarser one, and are no gaps of its own."""
    rows = f"{level.table} AS r" if number == 0 else _lateral(level, f"{name}_segments_{number - 1}", "r")
    return f"""
  SELECT {from_rollup(answered, "r", _bin(answered, "r.bucket"))}
  FROM {rows}
  WHERE {predicate("r")} AND r.bucket >= greatest($3::timestamptz, {_horizon(level)}) AND r.bucket < $4::timestamptz
    AND NOT EXISTS (SELECT FROM {name}_gaps_{number} AS g WHERE g.bucket_start = r.bucket)
"""


def _from_segments(name: str, answered: Level, number: int) -> str:
    return f"""
  SELECT {from_raw(answered, _bin(answered, "t.ts"))}
  FROM {_lateral(Level.RAW, f"{name}_segments_{number}", "t")} {SHAPES[answered].joined}
  WHERE t.is_request AND {in_projects("t")}
"""


def _from_finer(answered: Level, level: Level, below: str) -> str:
    """Buckets of this level that lie wholly in the ranges `below`."""
    return f"""
  SELECT {from_rollup(answered, "r", _bin(answered, "r.bucket"))}
  FROM {_lateral(level, below, "r")}
  WHERE {in_projects("r")} AND r.bucket + {interval(level.step)} <= s.last
"""


def _remainder(level: Level, below: str) -> str:
    """What is left of the ranges `below` without the buckets of this level that `_from_finer` reads: at both ends."""
    step = interval(level.step)
    first = _bin(level, f"g.first + {step} - interval '1 microsecond'")
    return f"""
  SELECT part.first, part.last FROM {below} AS g
  CROSS JOIN LATERAL (SELECT greatest({first}, {_horizon(level)}) AS first, {_bin(level, "g.last")} AS last) AS whole
  CROSS JOIN LATERAL (
    VALUES (g.first, least(whole.first, g.last)), (greatest(whole.first, whole.last), g.last)
  ) AS part (first, last)
  WHERE part.first < part.last
"""


def _lateral(level: Level, segments: str, alias: str) -> str:
    """Rows of the organisation in the segments, above the level's horizon.

    OFFSET 0 keeps the planner from pulling the subquery up into a join over the whole range: so each segment is one
    range of an index. $3, $4 and the horizon bound all segments, so that the other partitions are left out.
    """
    moment, horizon = ("ts", RAW_HORIZON) if level is Level.RAW else ("bucket", _horizon(level))
    return f"""{segments} AS s CROSS JOIN LATERAL (
    SELECT * FROM {level.table} AS inside
    WHERE {in_organisation("inside")} AND inside.{moment} >= s.first AND inside.{moment} < s.last
      AND inside.{moment} >= $3::timestamptz AND inside.{moment} < $4::timestamptz AND inside.{moment} >= {horizon}
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
        f"""{name}_lost AS (
  SELECT $3::timestamptz AS first, least($4::timestamptz, {RAW_HORIZON}) AS last, false AS edge
  WHERE $3::timestamptz < {RAW_HORIZON}
)""",
    ]
