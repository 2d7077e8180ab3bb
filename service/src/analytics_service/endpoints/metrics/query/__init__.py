"""POST /api/v1/metrics/query: metrics over time by group, with conditions on their values, in any order."""

from analytics_service.contract.endpoint import RAW_WEIGHT, Method, Read, default_ttl
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.metrics.query import answer, statement
from analytics_service.endpoints.metrics.query.parameters import QueryParameters
from analytics_service.rollups.levels import Level


def _weigh(params: QueryParameters) -> int:
    return RAW_WEIGHT if params.selection.level is Level.RAW else 1


ENDPOINT = Read(
    path="/api/v1/metrics/query",
    name="query_metrics",
    summary="Metrics over time, of the groups that meet conditions",
    permission=Permission.METRICS_QUERY,
    method=Method.POST,
    params=QueryParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.QueryResult,
    cache_for=default_ttl,
    weigh=_weigh,
)
