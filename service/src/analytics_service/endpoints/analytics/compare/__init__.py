"""GET /api/v1/analytics/models/compare: models beside one another, and which differences the requests bear out."""

from analytics_service.contract.endpoint import Read, default_ttl
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.analytics.compare import answer, statement
from analytics_service.endpoints.analytics.compare.parameters import CompareParameters

ENDPOINT = Read(
    path="/api/v1/analytics/models/compare",
    name="compare_models",
    summary="Models beside one another, with confidence intervals",
    permission=Permission.ANALYTICS_READ,
    params=CompareParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Comparison,
    cache_for=default_ttl,
)
