"""GET /api/v1/costs/forecast: what the next days will cost, as the days before suggest."""

from typing import Final

from analytics_service.contract.endpoint import Read, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.costs.forecast import answer, statement
from analytics_service.endpoints.costs.forecast.parameters import ForecastParameters

_CACHED_SECONDS: Final = 1800

ENDPOINT = Read(
    path="/api/v1/costs/forecast",
    name="get_costs_forecast",
    summary="What the next days will cost, as the days before suggest",
    permission=Permission.COSTS_READ,
    params=ForecastParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.CostForecast,
    weigh=weigh_by_level(lambda params: params.level),
    cache_for=lambda _params, _moment: _CACHED_SECONDS,
)
