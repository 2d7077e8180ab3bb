"""GET /api/v1/metrics/summary: a period and the one before it, what it is made of, and its errors."""

from analytics_service.contract.endpoint import Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.metrics.summary import answer, statement
from analytics_service.endpoints.metrics.summary.parameters import MetricsSummaryParameters

ENDPOINT = Read(
    path="/api/v1/metrics/summary",
    name="get_metrics_summary",
    summary="A period, the one before it, and its errors",
    permission=Permission.METRICS_READ,
    params=MetricsSummaryParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.MetricsSummary,
    cache_for=default_ttl,
    weigh=weigh_by_level(lambda params: params.selection.level),
    shows_more_with=statement.SHOWS_MESSAGES,
)
