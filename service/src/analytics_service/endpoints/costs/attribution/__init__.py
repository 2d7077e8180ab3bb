"""GET /api/v1/costs/attribution: who or what the costs are of."""

from analytics_service.contract.endpoint import Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.costs.attribution import answer, statement
from analytics_service.endpoints.costs.attribution.parameters import AttributionParameters

ENDPOINT = Read(
    path="/api/v1/costs/attribution",
    name="get_costs_attribution",
    summary="Costs by user, team, tag, provider, model, environment or project",
    permission=Permission.COSTS_READ,
    params=AttributionParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Attribution,
    cache_for=default_ttl,
    weigh=weigh_by_level(lambda params: params.source.level),
)
