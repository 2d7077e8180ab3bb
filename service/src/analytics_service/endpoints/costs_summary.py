"""GET /api/v1/costs/summary: what was spent, on what, and how it moves."""

from analytics_service.auth.principal import Permission
from analytics_service.costs import statement, summary
from analytics_service.costs.parameters import SummaryParameters
from analytics_service.http.endpoint import Endpoint, default_ttl

ENDPOINT = Endpoint(
    path="/api/v1/costs/summary",
    name="get_costs_summary",
    summary="What was spent, on what, and how it moves",
    permission=Permission.COSTS_READ,
    params=SummaryParameters,
    query=statement.query,
    answer=summary.answer,
    data=summary.Summary,
    cache_for=default_ttl,
)
