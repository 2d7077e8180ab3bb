"""Makes the tree of a trace and its totals from its spans."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from analytics_service.contract.endpoint import Answer, Row
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.traces import sizes
from analytics_service.endpoints.traces.detail import tree
from analytics_service.endpoints.traces.detail.parameters import DetailParameters
from analytics_service.endpoints.traces.detail.statement import ADDED
from analytics_service.endpoints.traces.fields import Status, selected_fields, trace
from analytics_service.pricing.columns import PriceStatus
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.rollups.levels import Level
from analytics_service.units import decimals

_PARTIAL: Final = PriceStatus.PARTIAL.value


def answer(params: DetailParameters, rows: Sequence[Row]) -> Answer:
    """RequestError where there is no such trace, or where it has more spans than an answer may hold."""
    if not rows:
        raise RequestError(
            Problem.TRACE_NOT_FOUND,
            "no span of this trace is in the range and in the projects of the token",
            field="trace_id",
        )
    if len(rows) > params.max_spans:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"the trace has more than {params.max_spans} spans; ask for a part of it with from and to, "
            "or page through GET /api/v1/traces?trace_id=",
            field="trace_id",
        )
    if not sizes.are_all(rows):
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"the texts of the trace's {rows[0]['found']} spans are too long for one answer; ask for a part of it with "
            "from and to, leave out include, or page through GET /api/v1/traces?trace_id=",
            field="include",
        )
    fields = selected_fields(None, params.include)
    spans = [tree.Node(row["span_id"], row["parent_span_id"], trace(row, fields)) for row in rows]
    return Answer(
        data={
            "trace_id": params.trace_id,
            "start": rows[0]["ts"],
            "duration_ms": _duration(rows),
            "totals": _totals(rows),
            "spans": tree.build_tree(spans),
        },
        source=Level.RAW,
        incomplete=below_retention(rows[0], IncompleteReason.BELOW_RETENTION),
        has_costs=True,
    )


def _duration(rows: Sequence[Row]) -> Any:
    """Milliseconds from the first start to the last end."""
    first, step = rows[0]["ts"], timedelta(microseconds=1)
    return decimals.milliseconds(max((row["ts"] - first) // step + (row["duration_us"] or 0) for row in rows))


def _totals(rows: Sequence[Row]) -> dict[str, Any]:
    """Adds tokens and money of requests alone, as metrics and costs do: spans around them may repeat theirs."""
    requests = [row for row in rows if row["is_request"]]
    added = {name: decimals.total(Decimal(row[name] or 0) for row in requests) for name in ADDED}
    return {
        "span_count": len(rows),
        "request_count": sum(row["request_weight"] for row in requests),
        "error_count": sum(row["request_weight"] for row in rows if row["status_code"] == Status.ERROR),
        **added,
        "unpriced_requests": sum(
            row["request_weight"]
            for row in requests
            if row["total_cost_usd"] is None or row["price_status"] == _PARTIAL
        ),
        "nested_calls": sum(row["is_nested"] for row in rows),
        "models": sorted({row["model"] for row in requests if row["model"]}),
    }
