"""The statement of quality: every part of the answer from one snapshot, distinguished by `part`."""

from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.analytics.quality.parameters import QualityParameters
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, requests, scores

MAX_ROWS: Final = 20_000
"""Of one statement: buckets, groups that fail, and scores by name, source and category."""


class Part(StrEnum):
    TOTAL = "total"
    BUCKET = "bucket"
    FAILING = "failing"
    SCORE = "score"
    SCORE_DAY = "score_day"


def query(principal: Principal, params: QualityParameters) -> Query:
    """Rows of `part`; there is always one of the part `total`."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    number = f"width_bucket(r.bucket, {arguments.add(params.starts)}::timestamptz[])"
    narrowed = conditions(params, arguments, alias="r")
    by_user = params.user_id is not None
    return Query(
        sql=f"""
{requests(params.level)},
{scores.scores(by_user=by_user)},
selected AS (SELECT r.*, {number} AS number FROM requests AS r WHERE {narrowed})
SELECT parts.*, w.*, s.*
FROM ({_REQUESTS} UNION ALL {_scores(params, arguments, conditions(params, arguments, alias="r"))}) AS parts
  CROSS JOIN ({COMPLETENESS}) AS w CROSS JOIN ({scores.completeness(by_user=by_user)}) AS s
LIMIT {arguments.add(MAX_ROWS + 1)}""",
        args=arguments.values,
        searches=params.level is Level.RAW,
    )


_ERRORS: Final = "coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0)"
_REQUESTS: Final = f"""
SELECT CASE WHEN GROUPING(r.number) = 0 THEN '{Part.BUCKET}' WHEN GROUPING(r.model) = 0 THEN '{Part.FAILING}'
    ELSE '{Part.TOTAL}' END AS part,
  r.number, NULL::timestamptz AS day, r.provider, r.model, r.environment, NULL AS name, NULL AS source,
  NULL AS data_type, NULL AS category, coalesce(sum(r.request_count), 0) AS requests, {_ERRORS} AS errors,
  NULL::numeric AS score_count, NULL::numeric AS value_sum
FROM selected AS r
GROUP BY GROUPING SETS ((), (r.number), (r.provider, r.model, r.environment))
HAVING GROUPING(r.model) = 1 OR {_ERRORS} > 0"""


def _scores(params: QualityParameters, arguments: Arguments, narrowed: str) -> str:
    """All scores, or those of one name, and the two that the answer is about by day."""
    listed = "true" if params.score is None else f"r.name = {arguments.add(params.score)}"
    by_day = f"r.name IN ({arguments.add(params.feedback_score)}, {arguments.add(params.resolution_score)})"
    return f"""
SELECT CASE WHEN GROUPING(r.day) = 0 THEN '{Part.SCORE_DAY}' ELSE '{Part.SCORE}' END, NULL, r.day, NULL, NULL, NULL,
  r.name, r.source, r.data_type, r.category, NULL, NULL, sum(r.score_count), sum(r.value_sum)
FROM scores AS r WHERE {narrowed} AND ({listed} OR {by_day})
GROUP BY GROUPING SETS ((r.name, r.source, r.data_type, r.category), (r.day, r.name, r.data_type))
HAVING CASE WHEN GROUPING(r.day) = 0 THEN {by_day} ELSE {listed} END"""
