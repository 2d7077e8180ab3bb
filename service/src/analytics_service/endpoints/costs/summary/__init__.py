"""GET /api/v1/costs/summary: what was spent, on what, and how it moves."""

from analytics_service.contract.endpoint import Read, default_ttl
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.costs.summary import answer, statement
from analytics_service.endpoints.costs.summary.parameters import SummaryParameters

ENDPOINT = Read(
    path="/api/v1/costs/summary",
    name="get_costs_summary",
    summary="What was spent, on what, and how it moves",
    permission=Permission.COSTS_READ,
    params=SummaryParameters,
    query=statement.query,
    answer=answer.answer,
    data=answer.Summary,
    cache_for=default_ttl,
)
