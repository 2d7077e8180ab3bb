"""What is stale, read once, and the gaps of a chain of rollups: buckets that a table cannot answer. Pure SQL text.

A bucket is stale where the log has a minute of it, or `rollup_stale` has it or a finer one in it. Consecutive gaps
become one *segment*, a range of time, which is one range of the finer table's index. A minute is no gap where all that
the log has of it are transactions that inserted rows: those rows are read beside it.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from analytics_service.database.tenancy import RAW_HORIZON, in_organisation
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import FINER, Stage, Table

DAY: Final = Step.DAY.width
ENTRIES: Final = "entries"
"""The log's minutes of the range, and their transactions. Below raw's horizon there is no raw to differ from."""
LOGGED: Final = "logged"
"""The minutes that differ from raw, and whether all that is missing are rows of transactions (`added`)."""
UNPARTED: Final = "unparted"
"""The days of the range whose parts are in raw alone: their rows were converted (rollups/conversion)."""


def interval(step: timedelta) -> str:
    """The literal of a step."""
    return f"interval '{int(step.total_seconds())} seconds'"


def horizon(table: Table) -> str:
    """SQL: before it no row of the table is read."""
    return f"(SELECT floor FROM rollup_horizon WHERE name = '{table.value}')"


def chain(table: Table) -> tuple[Table, ...]:
    """The table and those that answer where it cannot, from coarse to fine; raw is the last, and not named."""
    finer = FINER.get(table)
    return (table,) if finer is None else (table, *chain(finer))


def stage(table: Table) -> Stage | None:
    """The stage whose stale buckets are those of the table; None for minutes, which the log names."""
    return next((each for each in Stage if table in each.tables), None)


def stale(table: Table) -> str:
    """The expression that has the table's stale buckets in the range."""
    of = stage(table)
    return LOGGED if of is None else f"stale_{of.value}"


def is_added_to(table: Table) -> bool:
    """Whether rows are added to buckets of the table: those of the log's transactions, which it does not have yet."""
    return stage(table) is None


def staleness(tables: Iterable[Table]) -> list[str]:
    """The expressions that `stale` names, of all these tables; the log and `rollup_stale` are read once each."""
    stages = [each for each in Stage if each in {stage(table) for table in tables}]
    minute = bucket_of(Step.MINUTE.width, "$3::timestamptz")
    expressions = [
        f"""{ENTRIES} AS MATERIALIZED (
  SELECT l.transaction_id, l.minute FROM rollup_log AS l
  WHERE {in_organisation("l")} AND l.requests
    AND l.minute >= {minute} AND l.minute < $4::timestamptz AND l.minute >= {RAW_HORIZON}
)""",
        f"""{LOGGED} AS MATERIALIZED (
  SELECT minute AS bucket, bool_and(transaction_id IS NOT NULL) AS added FROM {ENTRIES} GROUP BY 1
)""",
    ]
    if stages:
        steps = ", ".join(f"'{step.value}'" for step in Stage if any(step in (s, *s.finer) for s in stages))
        expressions.append(
            f"""marked AS MATERIALIZED (
  SELECT s.step, s.bucket FROM rollup_stale AS s
  WHERE {in_organisation("s")} AND s.step IN ({steps})
    AND s.bucket >= {bucket_of(DAY, "$3::timestamptz")} AND s.bucket < $4::timestamptz
)"""
        )
    if Stage.PART in stages:
        expressions.append(
            f"""{UNPARTED} AS MATERIALIZED (
  SELECT u.day FROM rollup_unparted AS u
  WHERE {in_organisation("u")} AND u.day >= {bucket_of(DAY, "$3::timestamptz")} AND u.day < $4::timestamptz
)"""
        )
    for each in stages:
        own = ", ".join(f"'{step.value}'" for step in (each, *each.finer))
        bucket = bucket_of(each.width, "each.bucket")
        expressions.append(
            f"""stale_{each.value} AS MATERIALIZED (
  SELECT {bucket} AS bucket FROM {LOGGED} AS each
  UNION SELECT {bucket} FROM marked AS each WHERE each.step IN ({own})
)"""
        )
    return expressions


def cut(step: timedelta, moments: str) -> str:
    """SQL: the buckets that have one of `moments` (a select of `moment`) inside."""
    bucket = bucket_of(step, "e.moment")
    return f"SELECT {bucket} AS bucket FROM ({moments}) AS e WHERE {bucket} <> e.moment"


def islands(gaps: str, step: timedelta) -> str:
    """SQL: the buckets in `gaps` as ranges of time inside the range.

    Consecutive buckets have the same `island`: the start of each minus as many steps as there are before it.
    """
    width = interval(step)
    return f"""
  SELECT greatest(min(bucket), $3::timestamptz) AS first, least(max(bucket) + {width}, $4::timestamptz) AS last
  FROM (
    SELECT bucket, bucket - {width} * row_number() OVER (ORDER BY bucket) AS island FROM {gaps}
  ) AS numbered
  GROUP BY island"""


def chain_gaps(name: str, tables: tuple[Table, ...], number: int, moments: str) -> list[str]:
    """`gaps_n`: the buckets that table n cannot answer; `segments_n`: the same as ranges of time, with the range below
    the table's horizon, which is the next one's altogether.

    A stale bucket that neither raw nor the finer table has stays as it is: it is the best that there is.
    """
    table, coarser = tables[number], f"{name}_segments_{number - 1}"
    own, width = horizon(table), interval(table.step)
    finer = horizon(tables[number + 1]) if number + 1 < len(tables) else RAW_HORIZON
    asked = ""
    outside = "SELECT $3::timestamptz AS first, $4::timestamptz AS last"
    if number:
        outside = f"TABLE {coarser}"
        asked = f"\n    AND EXISTS (SELECT FROM {coarser} AS s WHERE b.bucket >= s.first AND b.bucket < s.last)"
    rebuilt = " AND NOT b.added" if is_added_to(table) else ""
    of_unparted = ""
    if table is Table.PART:
        parts = f"generate_series(u.day, u.day + {interval(DAY)} - {width}, {width})"
        of_unparted = f"""
  UNION SELECT b.bucket FROM {UNPARTED} AS u CROSS JOIN {parts} AS b (bucket)
  WHERE b.bucket + {width} > $3::timestamptz AND b.bucket < $4::timestamptz{asked}"""
    return [
        f"""{name}_gaps_{number} AS (
  SELECT b.bucket FROM {stale(table)} AS b
  WHERE b.bucket >= {own} AND b.bucket >= least({RAW_HORIZON}, {finer}){asked}{rebuilt}
  UNION SELECT b.bucket FROM ({cut(table.step, moments)}) AS b
  WHERE b.bucket >= {own} AND b.bucket + {width} > $3::timestamptz AND b.bucket < $4::timestamptz{of_unparted}
)""",
        f"""{name}_segments_{number} AS ({islands(f"{name}_gaps_{number}", table.step)}
  UNION ALL
  SELECT g.first, least(g.last, {own}) FROM ({outside}) AS g WHERE g.first < least(g.last, {own})
)""",
    ]


def added(name: str, tables: tuple[Table, ...], number: int) -> str:
    """`name`_added: the minutes that table n answers but for rows that will be added, as ranges of time."""
    asked = (
        f"AND EXISTS (SELECT FROM {name}_segments_{number - 1} AS s WHERE b.bucket >= s.first AND b.bucket < s.last)"
    )
    minutes = f"""(
      SELECT b.bucket FROM {LOGGED} AS b
      WHERE b.added AND b.bucket >= {horizon(tables[number])} {asked if number else ""}
        AND NOT EXISTS (SELECT FROM {name}_gaps_{number} AS g WHERE g.bucket = b.bucket)
    ) AS minutes"""
    return f"{name}_added AS ({islands(minutes, tables[number].step)})"


def lost(name: str, segments: str, tables: tuple[Table, ...]) -> str:
    """`name`_lost: what is left to raw and is below its horizon: `edge` where a coarser bucket of it is retained."""
    retained = f"least({', '.join(map(horizon, tables))})"
    return f"""{name}_lost AS (
  SELECT part.first, part.last, part.edge
  FROM (SELECT first, least(last, {RAW_HORIZON}) AS last FROM {segments}) AS b
  CROSS JOIN LATERAL (
    VALUES (b.first, least(b.last, {retained}), false), (greatest(b.first, {retained}), b.last, true)
  ) AS part (first, last, edge)
  WHERE part.first < part.last
)"""
