"""The statement that reads the spans of one trace."""

from typing import Final

from analytics_service.contract.principal import Principal
from analytics_service.database import tenancy
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.traces import sizes
from analytics_service.endpoints.traces.detail.parameters import DetailParameters
from analytics_service.endpoints.traces.fields import column, selected_fields
from analytics_service.rollups.query import RAW_COMPLETENESS

_NEEDED: Final = (
    *("ts", "span_id", "parent_span_id", "model", "status_code", "duration_us"),
    *("is_request", "is_nested", "price_status", "request_weight"),
)
ADDED: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cost_usd", "completion_cost_usd", "total_cost_usd"),
)


def query(principal: Principal, params: DetailParameters) -> Query:
    """One row more than an answer may hold, and fewer than `found` where their texts are long.

    By the primary key, so that a missing trace costs the same.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    fields = selected_fields(None, params.include)
    columns = dict.fromkeys((*map(column, fields), *_NEEDED, *ADDED))
    spans = f"""
SELECT k.below_retention, {", ".join(f"t.{name}" for name in columns)}
FROM traces AS t CROSS JOIN ({RAW_COMPLETENESS}) AS k
WHERE {tenancy.predicate_in_range("t")} AND t.trace_id = {arguments.add(params.trace_id)}
ORDER BY t.ts, t.span_id
LIMIT {arguments.add(params.max_spans + 1)}"""
    order = "ts, span_id"
    return Query(sql=f"{sizes.bounded(spans, fields, order=order)} ORDER BY {order}", args=arguments.values)
