"""The statements that store scores of spans that are stored, in place of those of the same keys. Pure."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from analytics_service.database.query import Query
from analytics_service.database.tenancy import RAW_HORIZON, in_projects, predicate

_SHARED: Final = ("environment", "provider", "model")
_LOCKS: Final = 16
"""Of an organisation: writers of scores of different names rarely wait for one another."""


class Key(NamedTuple):
    trace_id: str
    span_id: str
    """Empty: of the whole trace."""
    name: str
    source: str

    @property
    def lock(self) -> int:
        """Equal for all scores that share a row of `score`, or of `score_1day`: both are by name and source."""
        return zlib.crc32(f"{self.name}\0{self.source}".encode()) % _LOCKS


@dataclass(frozen=True, kw_only=True)
class NewScore:
    key: Key
    data_type: str
    value: Decimal | None
    category: str
    comment: str | None
    scored_at: datetime


_LOCK: Final = """
SELECT pg_advisory_xact_lock(hashtextextended('analytics.score/' || $1::text, number))
FROM unnest($2::bigint[]) AS locks (number)"""


def _shared(column: str) -> str:
    """SQL: the value of the spans that have one, where it is the same; else NULL."""
    known = f"nullif(t.{column}, '')"
    return f"CASE WHEN min({known}) = max({known}) THEN min({known}) END"


# One span may have rows of several times; a trace, spans of several projects: then the first one's counts.
_STORE: Final = f"""
WITH given AS MATERIALIZED (
  SELECT * FROM unnest(
    $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[], $9::text[], $10::text[],
    $11::timestamptz[]
  ) AS g (trace_id, span_id, name, source, data_type, value, category, comment, scored_at)
), subject AS (
  SELECT t.trace_id, CASE WHEN GROUPING(t.span_id) = 1 THEN '' ELSE t.span_id END AS span_id,
    min(t.ts) AS ts, (array_agg(t.project_id ORDER BY t.ts, t.span_id))[1] AS project_id,
    {", ".join(f"coalesce({_shared(name)}, '') AS {name}" for name in _SHARED)}, {_shared("user_id")} AS user_id
  FROM traces AS t
  WHERE {predicate("t")} AND t.trace_id = ANY($3::text[]) AND ('' = ANY($4::text[]) OR t.span_id = ANY($4::text[]))
    AND t.ts >= {RAW_HORIZON}
  GROUP BY GROUPING SETS ((t.trace_id), (t.trace_id, t.span_id))
  HAVING GROUPING(t.span_id) = 1 OR t.span_id <> ''
)
INSERT INTO score AS s (
  org_id, trace_id, span_id, name, source, data_type, value, category, comment, scored_at,
  ts, project_id, {", ".join(_SHARED)}, user_id
)
SELECT $1, g.trace_id, g.span_id, g.name, g.source, g.data_type, g.value, g.category, g.comment, g.scored_at,
  u.ts, u.project_id, {", ".join(f"u.{name}" for name in _SHARED)}, u.user_id
FROM given AS g JOIN subject AS u USING (trace_id, span_id)
ON CONFLICT (org_id, trace_id, span_id, name, source) DO UPDATE SET
  data_type = excluded.data_type, value = excluded.value, category = excluded.category, comment = excluded.comment,
  scored_at = CASE WHEN (s.data_type, s.value, s.category, s.comment)
    IS NOT DISTINCT FROM (excluded.data_type, excluded.value, excluded.category, excluded.comment)
    THEN s.scored_at ELSE excluded.scored_at END,
  ts = excluded.ts, project_id = excluded.project_id,
  {", ".join(f"{name} = excluded.{name}" for name in _SHARED)}, user_id = excluded.user_id
  WHERE {in_projects("s")}
RETURNING {", ".join(f"s.{name}" for name in Key._fields)}, s.ts, s.project_id, s.scored_at
"""


def lock(organisation: str, scores: Sequence[NewScore]) -> Query:
    """Until the transaction ends no other one writes scores of these names and sources, or the sums of their days.

    Two that change the same rows in another order would stop one another. Each takes its locks in order.
    """
    return _lock(organisation, {score.key.lock for score in scores})


def lock_all(organisation: str) -> Query:
    """As `lock`, of all scores of the organisation: for who deletes them."""
    return _lock(organisation, set(range(_LOCKS)))


def _lock(organisation: str, numbers: set[int]) -> Query:
    return Query(sql=_LOCK, args=(organisation, sorted(numbers)))


def store(organisation: str, projects: list[str] | None, scores: Sequence[NewScore]) -> Query:
    """A row for each score, of different keys; none of those of which the organisation and the projects have no such
    spans above the retention horizon, or which another project has: of a trace with spans of several.
    """
    keys = [[score.key[index] for score in scores] for index in range(len(Key._fields))]
    content = [
        [getattr(score, name) for score in scores]
        for name in ("data_type", "value", "category", "comment", "scored_at")
    ]
    return Query(sql=_STORE, args=(organisation, projects, *keys, *content))
