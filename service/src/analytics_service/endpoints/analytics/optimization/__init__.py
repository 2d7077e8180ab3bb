"""GET /api/v1/analytics/optimization: costs that need not have been, with the requests that they are of."""

from analytics_service.contract.endpoint import RAW_WEIGHT, Moment, Read
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.analytics.optimization import answer, statement
from analytics_service.endpoints.analytics.optimization.parameters import OptimizationParameters


def _half_of_default(_params: object, moment: Moment) -> int:
    return moment.default_ttl // 2


ENDPOINT = Read(
    path="/api/v1/analytics/optimization",
    name="get_optimization",
    summary="Costs that need not have been, with the requests that they are of",
    permission=Permission.ANALYTICS_READ,
    params=OptimizationParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Optimization,
    weigh=lambda _params: RAW_WEIGHT,
    cache_for=_half_of_default,
)
