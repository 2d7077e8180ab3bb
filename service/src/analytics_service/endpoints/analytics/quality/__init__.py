"""GET /api/v1/analytics/quality: which requests fail, and what scores say of those that do not."""

from analytics_service.contract.endpoint import Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.analytics.quality import answer, statement
from analytics_service.endpoints.analytics.quality.parameters import QualityParameters

ENDPOINT = Read(
    path="/api/v1/analytics/quality",
    name="get_quality",
    summary="Which requests fail, and what scores say",
    permission=Permission.ANALYTICS_READ,
    params=QualityParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Quality,
    cache_for=default_ttl,
    weigh=weigh_by_level(lambda params: params.level),
)
