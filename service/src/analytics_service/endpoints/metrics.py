"""GET /api/v1/metrics: counts, costs, tokens and times over time, by group."""

from analytics_service.auth.principal import Permission
from analytics_service.http.endpoint import Endpoint, default_ttl
from analytics_service.metrics import rows, statement
from analytics_service.metrics.parameters import MetricParameters

ENDPOINT = Endpoint(
    path="/api/v1/metrics",
    name="get_metrics",
    summary="Metrics over time",
    permission=Permission.METRICS_READ,
    params=MetricParameters,
    query=statement.query,
    answer=rows.answer,
    data=rows.Series,
    cache_for=default_ttl,
)
