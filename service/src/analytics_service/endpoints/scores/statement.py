"""The statement that stores a score of spans that are stored, in place of one of the same key. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from analytics_service.database.query import Query
from analytics_service.database.tenancy import RAW_HORIZON, in_projects, predicate

_SHARED: Final = ("environment", "provider", "model")


@dataclass(frozen=True, kw_only=True)
class NewScore:
    trace_id: str
    span_id: str
    """Empty: of the whole trace."""
    name: str
    source: str
    data_type: str
    value: Decimal | None
    category: str
    comment: str | None
    scored_at: datetime


def _shared(column: str) -> str:
    """SQL: the value of the spans that have one, where it is the same; else NULL."""
    known = f"nullif(t.{column}, '')"
    return f"CASE WHEN min({known}) = max({known}) THEN min({known}) END"


# One span may have rows of several times; a trace, spans of several projects: then the first one's counts.
_STORE: Final = f"""
WITH subject AS (
  SELECT min(t.ts) AS ts, (array_agg(t.project_id ORDER BY t.ts, t.span_id))[1] AS project_id,
    {", ".join(f"coalesce({_shared(name)}, '') AS {name}" for name in _SHARED)}, {_shared("user_id")} AS user_id
  FROM traces AS t
  WHERE {predicate("t")} AND t.trace_id = $3 AND ($4 = '' OR t.span_id = $4) AND t.ts >= {RAW_HORIZON}
  HAVING count(*) > 0
)
INSERT INTO score AS s (
  org_id, trace_id, span_id, name, source, data_type, value, category, comment, scored_at,
  ts, project_id, {", ".join(_SHARED)}, user_id
)
SELECT $1, $3, $4, $5, $6, $7, $8::numeric, $9, $10, $11::timestamptz, ts, project_id, {", ".join(_SHARED)}, user_id
FROM subject
ON CONFLICT (org_id, trace_id, span_id, name, source) DO UPDATE SET
  data_type = excluded.data_type, value = excluded.value, category = excluded.category, comment = excluded.comment,
  scored_at = CASE WHEN (s.data_type, s.value, s.category, s.comment)
    IS NOT DISTINCT FROM (excluded.data_type, excluded.value, excluded.category, excluded.comment)
    THEN s.scored_at ELSE excluded.scored_at END,
  ts = excluded.ts, project_id = excluded.project_id,
  {", ".join(f"{name} = excluded.{name}" for name in _SHARED)}, user_id = excluded.user_id
  WHERE {in_projects("s")}
RETURNING s.ts, s.project_id, s.scored_at
"""


def store(organisation: str, projects: list[str] | None, score: NewScore) -> Query:
    """One row; none where the organisation and the projects have no such spans above the retention horizon, or where
    another project has the score: of a trace with spans of several.
    """
    subject = (score.trace_id, score.span_id, score.name, score.source)
    content = (score.data_type, score.value, score.category, score.comment, score.scored_at)
    return Query(sql=_STORE, args=(organisation, projects, *subject, *content))
