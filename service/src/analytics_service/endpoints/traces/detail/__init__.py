"""GET /api/v1/traces/{trace_id}: all spans of a trace, as a tree with totals."""

from analytics_service.contract.endpoint import Read
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.traces.detail import answer, statement
from analytics_service.endpoints.traces.detail.parameters import DetailParameters
from analytics_service.endpoints.traces.detail.tree import TraceDetail

ENDPOINT = Read(
    path="/api/v1/traces/{trace_id}",
    name="get_trace",
    summary="One trace as a tree of its spans",
    permission=Permission.TRACES_READ,
    params=DetailParameters,
    query=statement.query,
    answer=answer.answer,
    data=TraceDetail,
    cache_for=lambda _params, _moment: 300,
)
