"""The statement of the explanation: what each model was used for in both periods, in all and by value."""

from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.costs.explain.parameters import ExplainParameters
from analytics_service.endpoints.costs.sums import COLUMNS, SUMS
from analytics_service.pricing.rates import COMPLETION, PROMPT
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, in_range
from analytics_service.rollups.query.coverage import IS_PRICED

MAX_MODELS: Final = 4_000
"""Rows of one answer: models by period and value."""
BEFORE, AFTER = "before", "after"
KEYS: Final = ("provider", "model", "service_tier")
"""Of a model: what has a price of its own."""
_TOKENS: Final = ("prompt_tokens", "completion_tokens", "total_tokens", *PROMPT, *COMPLETION)
"""Of requests with a cost."""
_SUMS: Final = ", ".join(
    (SUMS, *(f"sum(r.{each}_sum) FILTER (WHERE {IS_PRICED}) AS {each}" for each in _TOKENS)),
)
_COLUMNS: Final = (*COLUMNS, *_TOKENS)
_ADDED: Final = ", ".join(f"sum(p.{each}) AS {each}" for each in _COLUMNS)
_KEYS: Final = ", ".join(KEYS)


def query(principal: Principal, params: ExplainParameters) -> Query:
    """Rows of `period`, `position`, `value`, KEYS and sums, position 0 for all values; one row without a period at
    least.

    Values have a position from 1, that which changed the most first; NULL is that of all others together.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.after)
    narrowed = conditions(params, arguments, alias="r")
    before = in_range(params.source.expressions, *(arguments.add(moment) for moment in params.before))
    # tags overlap: requests of the other tags are not known from sums
    hides_others = params.dimension is not None and params.dimension.overlaps
    return Query(
        sql=f"""
WITH {BEFORE} AS MATERIALIZED ({_period(params, before, narrowed)}
), {AFTER} AS MATERIALIZED ({_period(params, params.source.expressions, narrowed)}
), completeness AS (
  SELECT least(b.watermark, a.watermark) AS watermark, b.below_retention + a.below_retention AS below_retention,
    b.edge_below_retention + a.edge_below_retention AS edge_below_retention
  FROM (SELECT * FROM {BEFORE} LIMIT 1) AS b CROSS JOIN (SELECT * FROM {AFTER} LIMIT 1) AS a
), sums AS (
  SELECT '{BEFORE}' AS period, b.*, -b.cost AS change FROM {BEFORE} AS b
  UNION ALL SELECT '{AFTER}', a.*, a.cost FROM {AFTER} AS a
), changed AS (
  SELECT s.*, coalesce(abs(sum(s.change) OVER (PARTITION BY s.value)), 0) AS value_change
  FROM sums AS s WHERE NOT s.of_all
), ranked AS (
  SELECT c.*, dense_rank() OVER (ORDER BY c.value_change DESC, c.value COLLATE "C") AS rank FROM changed AS c
), positioned AS (
  SELECT r.*, CASE WHEN r.rank <= {arguments.add(params.limit)} THEN r.rank END AS position FROM ranked AS r
)
SELECT w.*, models.*
FROM completeness AS w LEFT JOIN (
  SELECT p.period, 0 AS position, NULL AS value, {_KEYS}, {", ".join(_COLUMNS)} FROM sums AS p WHERE p.of_all
  UNION ALL
  SELECT p.period, p.position, CASE WHEN p.position IS NOT NULL THEN max(p.value) END, {_KEYS}, {_ADDED}
  FROM positioned AS p WHERE {"p.position IS NOT NULL" if hides_others else "true"}
  GROUP BY p.period, p.position, {_KEYS}
) AS models ON true
LIMIT {arguments.add(MAX_MODELS + 1)}""",
        args=arguments.values,
        searches=params.source.level is Level.RAW,
    )


def _period(params: ExplainParameters, expressions: str, narrowed: str) -> str:
    """COMPLETENESS beside the sums of each model, of all values (`of_all`) and of each one."""
    model = ", ".join(f"r.{key}" for key in KEYS)
    sums, source = f"{model}, {_SUMS}", params.source.rows
    of_all = f"SELECT true AS of_all, NULL AS value, {sums} FROM requests AS r WHERE {narrowed} GROUP BY {model}"
    if params.dimension is None:
        rows = of_all
    elif params.dimension.overlaps:
        rows = f"""{of_all}
  UNION ALL
  SELECT false, r.value, {sums} FROM {source} AS r WHERE {narrowed} GROUP BY r.value, {model}"""
    else:  # in one pass
        rows = f"""SELECT GROUPING(r.value) = 1 AS of_all, r.value, {sums}
  FROM {source} AS r WHERE {narrowed} GROUP BY GROUPING SETS (({model}), (r.value, {model}))"""
    return f"""
{expressions}
SELECT w.*, s.* FROM ({COMPLETENESS}) AS w LEFT JOIN ({rows}) AS s ON true"""
