"""The statement of a comparison: sums by period and by stratum, histograms and scores, distinguished by `part`."""

from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.analytics.compare.parameters import CompareParameters
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.query import COMPLETENESS, percentiles, requests, scores
from analytics_service.rollups.query.coverage import COVERAGE, PRICED_TOKENS

MAX_ROWS: Final = 20_000
"""Of one statement: periods and strata of all models."""
STRATUM: Final = ("project_id", "environment", "operation_type")
"""What requests are like, beside their model: mixes of these are evened out."""


class Part(StrEnum):
    PERIOD = "period"
    STRATUM = "stratum"
    LATENCY = "latency"
    SCORE = "score"


_SUMS: Final = f"""sum(r.request_count) AS requests,
  coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0) AS errors,
  sum(r.total_cost_usd_sum) AS cost, {COVERAGE}, {PRICED_TOKENS} AS priced_tokens, sum(r.total_tokens_sum) AS tokens,
  sum(r.total_tokens_count) AS token_requests, sum(r.duration_us_sum) AS duration,
  sum(r.duration_us_count) AS duration_requests"""


def query(principal: Principal, params: CompareParameters) -> Query:
    """Rows of `part` by provider and model; one without a part where there are none, for the watermark."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    number = f"width_bucket(r.bucket, {arguments.add(params.starts)}::timestamptz[])"
    narrowed = f"r.model = ANY({arguments.add(list(params.models))}) AND {conditions(params, arguments, alias='r')}"
    latency = f"SELECT r.* FROM latency AS r WHERE {narrowed}"
    stratum = ", ".join(f"r.{name}" for name in STRATUM)
    return Query(
        sql=f"""
{requests(params.level, Table.LATENCY_1DAY)},
{scores.scores(by_user=False)},
selected AS (SELECT r.*, {number} AS number FROM requests AS r WHERE {narrowed}),
sums AS (
  SELECT CASE WHEN GROUPING(r.number) = 0 THEN '{Part.PERIOD}' ELSE '{Part.STRATUM}' END AS part,
    r.provider, r.model, r.number, {stratum}, {_SUMS}
  FROM selected AS r GROUP BY GROUPING SETS ((r.provider, r.model, r.number), (r.provider, r.model, {stratum}))
),
histograms AS (
  SELECT '{Part.LATENCY}' AS part, provider, model, array_agg(code ORDER BY code) AS codes,
    array_agg(n ORDER BY code) AS counts
  FROM ({percentiles.bins(latency, ("provider", "model"), ("duration_us",))}) AS bins GROUP BY 2, 3
),
rated AS (
  SELECT '{Part.SCORE}' AS part, r.provider, r.model, sum(r.score_count) AS score_count, sum(r.value_sum) AS value_sum,
    sum(r.value_squares) AS value_squares, bool_and(r.data_type = 'boolean') AS are_boolean
  FROM scores AS r
  WHERE {narrowed} AND r.name = {arguments.add(params.feedback_score)} AND r.data_type <> 'categorical'
  GROUP BY 2, 3
)
SELECT *
FROM ({COMPLETENESS}) AS w CROSS JOIN ({scores.completeness(by_user=False)}) AS s
LEFT JOIN (
  (sums NATURAL FULL JOIN histograms) NATURAL FULL JOIN rated  -- they have no part in common: the rows of each
) ON true
LIMIT {arguments.add(MAX_ROWS + 1)}""",
        args=arguments.values,
    )
