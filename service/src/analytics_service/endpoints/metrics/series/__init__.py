"""GET /api/v1/metrics: counts, costs, tokens and times over time, by group."""

from analytics_service.contract.endpoint import Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.metrics.series import answer, statement
from analytics_service.endpoints.metrics.series.parameters import MetricParameters

ENDPOINT = Read(
    path="/api/v1/metrics",
    name="get_metrics",
    summary="Metrics over time",
    permission=Permission.METRICS_READ,
    params=MetricParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Series,
    cache_for=default_ttl,
    weigh=weigh_by_level(lambda params: params.selection.level),
)
