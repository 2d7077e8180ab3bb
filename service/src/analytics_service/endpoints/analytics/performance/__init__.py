"""GET /api/v1/analytics/performance: how long requests take, and how many tokens come of them."""

from analytics_service.contract.endpoint import Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.analytics.performance import answer, statement
from analytics_service.endpoints.analytics.performance.parameters import PerformanceParameters

ENDPOINT = Read(
    path="/api/v1/analytics/performance",
    name="get_performance",
    summary="How long requests take, and how many tokens they have a second",
    permission=Permission.ANALYTICS_READ,
    params=PerformanceParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Performance,
    cache_for=default_ttl,
    weigh=weigh_by_level(lambda params: params.selection.level),
)
