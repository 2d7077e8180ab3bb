"""POST /api/v1/traces/search: the list of traces, by a filter of any fields that are combined by and, or, not."""

from analytics_service.contract.endpoint import RAW_WEIGHT, Method, Read, default_ttl
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.traces.fields import Listed
from analytics_service.endpoints.traces.list import answer
from analytics_service.endpoints.traces.search import statement
from analytics_service.endpoints.traces.search.parameters import SearchParameters

ENDPOINT = Read(
    path="/api/v1/traces/search",
    name="search_traces",
    summary="Spans that meet a filter, page by page",
    permission=Permission.TRACES_READ,
    method=Method.POST,
    params=SearchParameters,
    query=statement.query,
    answer=answer.answer,
    data=list[Listed],
    cache_for=default_ttl,
    weigh=lambda _params: RAW_WEIGHT,
)
