"""The statement of the costs summary: every part of the answer from one snapshot, told apart by `part`."""

from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database import tenancy
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.costs.summary.parameters import SummaryParameters
from analytics_service.endpoints.costs.sums import SUMS
from analytics_service.rollups.hierarchy.columns import is_single
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, RAW_COMPLETENESS, requests
from analytics_service.rollups.query.coverage import PRICED_TOKENS
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval

MAX_GROUPS: Final = 10_000
"""Groups in one answer."""


class Part(StrEnum):
    TOTAL = "total"
    PROVIDER = "provider"
    MODEL = "model"
    ENVIRONMENT = "environment"
    DAY = "day"
    TRACE = "trace"


_SUMS: Final = f"{SUMS}, {PRICED_TOKENS} AS priced_tokens"


def query(principal: Principal, params: SummaryParameters) -> Query:
    """Rows of `part`, `name`, `day` and sums; there is always one of the part `total`."""
    days = intervals.starts(params.range, Interval.DAY, params.zone)
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    day = f"width_bucket(r.bucket, {arguments.add(days)}::timestamptz[])"
    parts = [_groups(with_days=params.include_trends)]
    narrowed = conditions(params, arguments, alias="r")
    if params.include_top_traces:
        parts.append(_top_traces(params, arguments))
    return Query(
        sql=f"""
{requests(params.level)},
wanted AS (SELECT r.*, {day} AS day FROM requests AS r WHERE {narrowed})
SELECT parts.*, w.*, t.*
FROM ({" UNION ALL ".join(parts)}) AS parts CROSS JOIN ({COMPLETENESS}) AS w
  CROSS JOIN (SELECT below_retention AS top_traces_below_retention FROM ({RAW_COMPLETENESS}) AS k) AS t
LIMIT {arguments.add(MAX_GROUPS + 1)}""",
        args=arguments.values,
        searches=params.include_top_traces or params.level is Level.RAW,
    )


def _groups(*, with_days: bool) -> str:
    sets = ["()", "(r.provider)", "(r.model)", "(r.environment)", *(["(r.day)"] if with_days else [])]
    return f"""
SELECT CASE WHEN GROUPING(r.provider) = 0 THEN 'provider' WHEN GROUPING(r.model) = 0 THEN 'model'
    WHEN GROUPING(r.environment) = 0 THEN 'environment' {"WHEN GROUPING(r.day) = 0 THEN 'day'" if with_days else ""}
    ELSE 'total' END AS part,
  coalesce(r.provider, r.model, r.environment) AS name, {"r.day" if with_days else "NULL::integer"} AS day,
  {_SUMS}, NULL::timestamptz AS ts
FROM wanted AS r GROUP BY GROUPING SETS ({", ".join(sets)})"""


def _top_traces(params: SummaryParameters, arguments: Arguments) -> str:
    """Reads the spans themselves, whatever level the rest is read from; the snapshot is the same. Sums of many requests
    are no trace.
    """
    return f"""
SELECT * FROM (
  SELECT 'trace' AS part, t.trace_id AS name, NULL::integer AS day, count(*)::numeric AS requests,
    sum(t.total_cost_usd) AS cost, sum(t.prompt_cost_usd) AS prompt_cost, sum(t.completion_cost_usd) AS completion_cost,
    sum(t.total_tokens)::numeric AS tokens, count(t.total_cost_usd)::numeric AS priced,
    count(*) FILTER (WHERE t.total_cost_usd IS NULL OR t.price_status = 'partial')::numeric AS unpriced,
    NULL::numeric AS unpriced_tokens, NULL::numeric AS priced_tokens, min(t.ts) AS ts
  FROM traces AS t
  WHERE {tenancy.predicate_in_range("t")} AND t.is_request AND {is_single("t")}
    AND {conditions(params, arguments, alias="t")}
  GROUP BY t.trace_id
  HAVING sum(t.total_cost_usd) IS NOT NULL
  ORDER BY sum(t.total_cost_usd) DESC, t.trace_id
  LIMIT {arguments.add(params.top_limit)}
) AS top"""
