"""The statement of optimization: costs, those of requests that failed, and prompts that were sent again."""

from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments, predicate_in_range
from analytics_service.endpoints.analytics.optimization.parameters import OptimizationParameters
from analytics_service.ingest import content
from analytics_service.rollups.hierarchy.columns import is_single
from analytics_service.rollups.query import COMPLETENESS, RAW_COMPLETENESS, requests
from analytics_service.rollups.query.coverage import COVERAGE

SEARCHED: Final = 5_000
"""Requests whose prompts are read, the dearest first: texts are long."""
MAX_GROUPS: Final = 10_000
"""Rows of one statement."""
SHOWN_TRACES: Final = 20
"""Of one finding."""


class Part(StrEnum):
    TOTAL = "total"
    SEARCHED = "searched"
    FAILED = "failed_requests"
    REPEATED = "repeated_prompts"


_KEYS: Final = ("project_id", "environment", "provider", "model")
_GROUP: Final = ", ".join(f"r.{key}" for key in _KEYS)
_NO_KEYS: Final = ", ".join(f"NULL AS {key}" for key in _KEYS)
_NO_ROWS: Final = "NULL::timestamptz AS first, NULL::timestamptz AS last, NULL::text[] AS trace_ids"
_ORDER: Final = "r.ts, r.trace_id, r.span_id"
_SUMS: Final = f"coalesce(sum(r.request_count), 0) AS requests, sum(r.total_cost_usd_sum) AS cost, {COVERAGE}"


def query(principal: Principal, params: OptimizationParameters) -> Query:
    """Rows of `part`; there is always one of the part `total`, and one of the part `searched`."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    narrowed = conditions(params, arguments, alias="r")
    return Query(
        sql=f"""
{requests(params.level)},
dearest AS MATERIALIZED (
  SELECT t.project_id, t.environment, t.provider, t.model, t.ts, t.trace_id, t.span_id, t.input_text,
    t.prompt_tokens, t.total_cost_usd AS cost
  FROM traces AS t
  WHERE {predicate_in_range("t")} AND t.is_request AND {is_single("t")} AND t.status_code <> 'ERROR'
    AND t.total_cost_usd > 0 AND t.input_text <> '' AND {conditions(params, arguments, alias="t")}
  ORDER BY t.total_cost_usd DESC, t.ts, t.trace_id, t.span_id LIMIT {SEARCHED}
), compared AS MATERIALIZED (  -- texts that were cut or masked are equal where prompts were not
  SELECT d.* FROM dearest AS d WHERE d.input_text !~ {arguments.add(content.CHANGED)}
)
SELECT parts.*, w.*, k.prompts_below_retention
FROM (
  SELECT '{Part.TOTAL}' AS part, {_NO_KEYS}, {_SUMS}, NULL::numeric AS first_cost, {_NO_ROWS}
  FROM requests AS r WHERE {narrowed}
  UNION ALL
  SELECT '{Part.FAILED}', {_GROUP}, {_SUMS}, NULL, {_NO_ROWS}
  FROM requests AS r WHERE {narrowed} AND r.status_code = 'ERROR'
  GROUP BY {_GROUP} HAVING sum(r.total_cost_usd_sum) > 0
  UNION ALL
  SELECT '{Part.SEARCHED}', {_NO_KEYS}, count(*), sum(r.cost), NULL, NULL, NULL, NULL, {_NO_ROWS} FROM compared AS r
  UNION ALL
  SELECT '{Part.REPEATED}', {_GROUP}, count(*), sum(r.cost), NULL, NULL, NULL,
    (array_agg(r.cost ORDER BY {_ORDER}))[1], min(r.ts), max(r.ts),
    (array_agg(r.trace_id ORDER BY {_ORDER}))[1:{SHOWN_TRACES}]
  FROM compared AS r
  GROUP BY {_GROUP}, r.prompt_tokens, sha256(convert_to(r.input_text, 'UTF8')) HAVING count(*) > 1
) AS parts
  CROSS JOIN ({COMPLETENESS}) AS w
  CROSS JOIN (SELECT below_retention AS prompts_below_retention FROM ({RAW_COMPLETENESS}) AS raw) AS k
LIMIT {arguments.add(MAX_GROUPS + 1)}""",
        args=arguments.values,
        searches=True,
    )
