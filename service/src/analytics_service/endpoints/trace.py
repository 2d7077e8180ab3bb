"""GET /api/v1/traces/{trace_id}: all spans of a trace, as a tree with totals."""

from analytics_service.auth.principal import Permission
from analytics_service.http.endpoint import Endpoint
from analytics_service.traces import detail
from analytics_service.traces.tree import TraceDetail

ENDPOINT = Endpoint(
    path="/api/v1/traces/{trace_id}",
    name="get_trace",
    summary="One trace as a tree of its spans",
    permission=Permission.TRACES_READ,
    params=detail.DetailParameters,
    query=detail.query,
    answer=detail.answer,
    data=TraceDetail,
    cache_for=lambda _params, _moment: 300,
)
