"""GET /api/v1/costs/explain: why costs changed between two periods."""

from analytics_service.contract.endpoint import Read, default_ttl, weigh_by_level
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.costs.explain import answer, statement
from analytics_service.endpoints.costs.explain.parameters import ExplainParameters

ENDPOINT = Read(
    path="/api/v1/costs/explain",
    name="get_costs_explanation",
    summary="Why costs changed between two periods",
    permission=Permission.COSTS_READ,
    params=ExplainParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Explanation,
    cache_for=default_ttl,
    max_loop_rows=100,  # a model takes a quarter of a millisecond
    weigh=weigh_by_level(lambda params: params.source.level),
)
