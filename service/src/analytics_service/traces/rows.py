"""From rows to Traces."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from analytics_service.database.levels import Level
from analytics_service.http import numbers
from analytics_service.http.endpoint import Answer, Page, Row
from analytics_service.traces.children import MOST_CHILDREN, by_place
from analytics_service.traces.fields import column
from analytics_service.traces.parameters import Include, TraceParameters
from analytics_service.traces.statement import key


def answer(params: TraceParameters, rows: Sequence[Row]) -> Answer:
    since = rows[0]["since"]
    if rows[0]["key_trace"] is None:
        rows = []
    children: Mapping[int, Sequence[Row]] | None = None
    if Include.CHILDREN in params.include:
        rows, children = by_place(rows)
    page, more = rows[: params.limit], len(rows) > params.limit
    data = [trace(row, params.shown) for row in page]
    if children is not None:
        data = [
            span | _family(children.get(row["place"], ()), params.shown) for span, row in zip(data, page, strict=True)
        ]
    return Answer(
        data=data,
        source=Level.RAW,
        since=since,
        page=Page(
            limit=params.limit, after=key(page[-1], params.sort_by) if more else None, total=_total(params, rows)
        ),
    )


def trace(row: Row, fields: Sequence[str]) -> dict[str, Any]:
    """The fields that have a value; an empty dimension is one that nobody gave."""
    values = ((name, row[column(name)]) for name in fields)
    return {
        name: _SHOWN[name](value) if name in _SHOWN else value
        for name, value in values
        if value is not None and value != ""
    }


def _family(children: Sequence[Row], fields: Sequence[str]) -> dict[str, Any]:
    shown = [trace(child, fields) for child in children[:MOST_CHILDREN]]
    return {"children": shown, "more_children": len(children) > MOST_CHILDREN} if shown else {}


def _total(params: TraceParameters, rows: Sequence[Row]) -> int | None:
    if Include.TOTAL not in params.include:
        return None
    if rows:
        return int(rows[0]["total"])
    return 0 if params.after is None else None  # a later page is empty only when rows were deleted meanwhile


_SHOWN: MappingProxyType[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "duration_ms": numbers.milliseconds,
        "ttft_ms": numbers.milliseconds,
        "attributes": orjson.Fragment,  # jsonb arrives as its text: exact, whatever its numbers are
    }
)
