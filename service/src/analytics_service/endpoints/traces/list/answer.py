"""Makes a page of traces from rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from analytics_service.contract.endpoint import Answer, Page, Row
from analytics_service.endpoints.traces.fields import trace
from analytics_service.endpoints.traces.list.children import MAX_CHILDREN, children_by_parent
from analytics_service.endpoints.traces.list.parameters import Include, TraceParameters
from analytics_service.endpoints.traces.list.statement import key
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.rollups.levels import Level


def answer(params: TraceParameters, rows: Sequence[Row]) -> Answer:
    incomplete = below_retention(rows[0], IncompleteReason.BELOW_RETENTION)
    if rows[0]["key_trace"] is None:
        rows = []
    children: Mapping[int, Sequence[Row]] | None = None
    if Include.CHILDREN in params.include:
        rows, children = children_by_parent(rows)
    page, more = rows[: params.limit], len(rows) > params.limit
    data = [trace(row, params.selected_fields) for row in page]
    if children is not None:
        data = [
            span | _with_children(children.get(row["place"], ()), params.selected_fields)
            for span, row in zip(data, page, strict=True)
        ]
    return Answer(
        data=data,
        source=Level.RAW,
        incomplete=incomplete,
        page=Page(
            limit=params.limit, after=key(page[-1], params.sort_by) if more else None, total=_total(params, rows)
        ),
    )


def _with_children(children: Sequence[Row], fields: Sequence[str]) -> dict[str, Any]:
    shown = [trace(child, fields) for child in children[:MAX_CHILDREN]]
    return {"children": shown, "more_children": len(children) > MAX_CHILDREN} if shown else {}


def _total(params: TraceParameters, rows: Sequence[Row]) -> int | None:
    if Include.TOTAL not in params.include:
        return None
    if rows:
        return int(rows[0]["total"])
    return 0 if params.after is None else None  # a later page is empty only when rows were deleted meanwhile
