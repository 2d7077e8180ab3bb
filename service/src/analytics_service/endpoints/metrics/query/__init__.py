"""POST /api/v1/metrics/query: metrics over time by group, with conditions on their values, in any order."""

from analytics_service.contract.endpoint import Method, Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.metrics.query import answer, statement
from analytics_service.endpoints.metrics.query.parameters import QueryParameters

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
    weigh=weigh_by_level(lambda params: params.selection.level),
)
