"""GET /api/v1/traces: spans of the organisation, newest first or in another order, page by page."""

from datetime import timedelta

from analytics_service.contract.endpoint import RAW_WEIGHT, Moment, Read
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.traces.fields import Listed
from analytics_service.endpoints.traces.list import answer, statement
from analytics_service.endpoints.traces.list.parameters import TraceParameters

_SETTLED = timedelta(hours=1)


def _cache_for(params: TraceParameters, moment: Moment) -> int:
    return 300 if params.range.end < moment.now - _SETTLED else 60


ENDPOINT = Read(
    path="/api/v1/traces",
    name="list_traces",
    summary="Spans, page by page",
    permission=Permission.TRACES_READ,
    params=TraceParameters,
    query=statement.query,
    answer=answer.answer,
    data=list[Listed],
    cache_for=_cache_for,
    weigh=lambda params: 1 if params.search is None else RAW_WEIGHT,
)
