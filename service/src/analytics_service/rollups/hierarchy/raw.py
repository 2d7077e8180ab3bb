"""SQL: the rows of raw in segments of time, with the number of their combination of dimensions. Pure.

Arguments: $1 organisation, $2 and $3 the starts and the ends of the segments, $4 and $5 the bounds of them all.
"""

from datetime import timedelta
from typing import Final

from analytics_service.rollups.hierarchy.columns import DIMENSIONS, EPOCH
from analytics_service.rollups.hierarchy.steps import Step

DIMS: Final = f"dims AS MATERIALIZED (SELECT dim, {', '.join(DIMENSIONS)} FROM rollup_dimension WHERE org_id = $1)"
"""The combinations of the organisation; materialized, so that rows are joined by one hash table."""

# OFFSET 0 keeps the planner from pulling the subquery up: each segment is one range of an index. $4 and $5 leave out
# the partitions of other days.
SEGMENTS: Final = """unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)
  CROSS JOIN LATERAL (
    SELECT * FROM traces AS inside
    WHERE inside.org_id = $1 AND inside.ts >= s.first AND inside.ts < s.last AND inside.ts >= $4 AND inside.ts < $5
    OFFSET 0
  ) AS t"""


def same_dimensions(one: str, other: str) -> str:
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in DIMENSIONS)


def bucket_of(step: timedelta, moment: str) -> str:
    return f"date_bin(interval '{int(step.total_seconds())} seconds', {moment}, {EPOCH})"


def inserted_by(entries: str) -> str:
    """SQL: whether the row `t` was inserted by one of `entries`, a select of transactions and minutes without NULLs.

    IS TRUE keeps the planner from making a join of it, which might compare each row with each entry: so the entries are
    hashed once. A NULL on either side would have all of them compared nevertheless. Whatever is found is not less than
    the oldest; transactions are numbered in the order of time, so most rows are.
    """
    oldest = f"(SELECT min(e.transaction_id) FROM ({entries}) AS e (transaction_id, minute))"
    minute = bucket_of(Step.MINUTE.width, "t.ts")
    found = f"t.transaction_id >= {oldest} AND (t.transaction_id, {minute}) IN ({entries})"
    return f"(t.transaction_id IS NOT NULL AND {found}) IS TRUE"


# Arrays that the planner does not know: it hashes as many as it thinks they have, and compares each row with each of
# more entries than work_mem holds, as there are when nobody has refreshed for an hour.
ADDED: Final = inserted_by("SELECT * FROM unnest((SELECT $7::bigint[]), (SELECT $6::timestamptz[]))")
"""SQL: whether `t` is among the rows that transactions inserted into minutes; $6 are the minutes, $7 a transaction for
each."""
LOGGED: Final = inserted_by("""
    SELECT e.id, e.minute FROM (
      SELECT array_agg(l.transaction_id) AS ids, array_agg(l.minute) AS minutes FROM rollup_log AS l
      WHERE l.org_id = $1 AND l.minute >= $4 AND l.minute < $5 AND l.transaction_id IS NOT NULL
    ) AS a CROSS JOIN LATERAL unnest(a.ids, a.minutes) AS e (id, minute)
  """)
"""SQL: whether an entry of the log names `t`, which is added when it leaves the log."""
