"""Makes a page of traces from rows."""

from collections.abc import Sequence
from typing import Any

from analytics_service.contract.endpoint import Answer, Page, Row
from analytics_service.endpoints.traces.fields import COSTS, trace
from analytics_service.endpoints.traces.list.children import MAX_CHILDREN, children_by_parent
from analytics_service.endpoints.traces.list.parameters import Include, PageParameters
from analytics_service.endpoints.traces.list.statement import key
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.rollups.levels import Level


def answer(params: PageParameters, rows: Sequence[Row]) -> Answer:
    incomplete = below_retention(rows[0], IncompleteReason.BELOW_RETENTION)
    if rows[0]["key_trace"] is None:
        rows = []
    found = _count_spans(params, rows)
    data, page = _with_children(params, rows) if Include.CHILDREN in params.include else _alone(params, rows)
    return Answer(
        data=data,
        source=Level.RAW,
        incomplete=incomplete,
        has_costs=not COSTS.isdisjoint(params.selected_fields) or params.sort_by in COSTS,
        page=Page(
            limit=params.limit,
            key=lambda number: key(page[number], params.sort_by),
            has_more=len(page) < found,
            at_byte_limit=len(page) < min(found, params.limit),
            total=_total(params, rows),
        ),
    )


def _count_spans(params: PageParameters, rows: Sequence[Row]) -> int:
    """Returns how many spans there are, up to one more than the page may have."""
    if rows and params.may_be_long:
        found: int = rows[0]["found_spans" if Include.CHILDREN in params.include else "found"]
        return found
    return sum(row["child_of"] is None for row in rows) if Include.CHILDREN in params.include else len(rows)


def _alone(params: PageParameters, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], Sequence[Row]]:
    page = rows[: params.limit]
    return [trace(row, params.selected_fields) for row in page], page


def _with_children(params: PageParameters, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], Sequence[Row]]:
    """Returns the spans and their rows, without the last where children of it are missing: the next page begins there.

    A page has one span at least, which may have fewer children than it should.
    """
    spans, children = children_by_parent(rows)
    page = spans[: params.limit]
    missing = params.may_be_long and bool(page) and _are_missing(page[-1], children[page[-1]["place"]])
    if missing and len(page) > 1:
        page, missing = page[:-1], False
    data = [trace(row, params.selected_fields) for row in page]
    for span, row in zip(data, page, strict=True):
        found = children[row["place"]]
        if found or missing:
            span["children"] = [trace(child, params.selected_fields) for child in found[:MAX_CHILDREN]]
            span["more_children"] = missing or len(found) > MAX_CHILDREN
    return data, page


def _are_missing(span: Row, children: Sequence[Row]) -> bool:
    together: int = span["found_together"]
    return 1 + len(children) < together


def _total(params: PageParameters, rows: Sequence[Row]) -> int | None:
    if Include.TOTAL not in params.include:
        return None
    if rows:
        return int(rows[0]["total"])
    return 0 if params.after is None else None  # a later page is empty only when rows were deleted meanwhile
