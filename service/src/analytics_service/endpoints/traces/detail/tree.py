"""Spans as a tree, whatever clients sent: every span is in it exactly once. Pure.

A span whose parent is not there is a root. Of spans that are each other's ancestors the first one is. Levels are
bounded, since readers of JSON are: deeper spans stand beside one another on the last level, and name their parents.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from typing_extensions import TypedDict

from analytics_service.endpoints.traces.fields import Trace
from analytics_service.units.decimals import Number

MAX_DEPTH: Final = 100


class Span(Trace, total=False):
    children: list["Span"]


class Totals(TypedDict):
    """Tokens and money are those of requests. Of calls of models within one another one is a request: the others are
    `nested_calls`. Costs are lower bounds where requests are unpriced.
    """

    span_count: int
    request_count: int
    error_count: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_cost_usd: Number
    completion_cost_usd: Number
    total_cost_usd: Number
    unpriced_requests: int
    nested_calls: int
    models: list[str]


class TraceDetail(TypedDict):
    trace_id: str
    start: datetime
    duration_ms: Number
    totals: Totals
    spans: list[Span]


class Node(NamedTuple):
    span_id: str
    parent: str | None
    fields: dict[str, Any]


def build_tree(spans: Sequence[Node]) -> list[dict[str, Any]]:
    """Returns the roots, each with its `children`, siblings in the given order. Changes the fields in place."""
    parents = _parents(spans)
    below: dict[int, list[int]] = {}
    for number, parent in enumerate(parents):
        if parent is not None:
            below.setdefault(parent, []).append(number)
    roots = [number for number, parent in enumerate(parents) if parent is None]
    placed = set[int]()
    for root in roots:
        _attach(root, spans, below, placed)
    for number in range(len(spans)):
        if number not in placed:
            roots.append(_first_of_cycle(number, parents))
            _attach(roots[-1], spans, below, placed)
    return [spans[root].fields for root in sorted(roots)]


def _parents(spans: Sequence[Node]) -> list[int | None]:
    """Returns the index of each span's parent; of several spans with one id the first is the parent."""
    known: dict[str, int] = {}
    for number, span in enumerate(spans):
        known.setdefault(span.span_id, number)
    return [None if span.parent is None else known.get(span.parent) for span in spans]


def _first_of_cycle(start: int, parents: Sequence[int | None]) -> int:
    """Returns the first span of the cycle that the ancestors of `start` lead to."""
    path = dict[int, None]()
    number: int | None = start
    while number is not None and number not in path:
        path[number] = None
        number = parents[number]
    ancestors = list(path)
    return min(ancestors[ancestors.index(number) :]) if number is not None else start


def _attach(root: int, spans: Sequence[Node], below: Mapping[int, Sequence[int]], placed: set[int]) -> None:
    placed.add(root)
    due = [(root, root, 1)]
    """A span, the one that takes its children, and their level."""
    for number, home, level in due:
        for child in below.get(number, ()):
            if child not in placed:
                placed.add(child)
                spans[home].fields.setdefault("children", []).append(spans[child].fields)
                due.append((child, child, level + 1) if level + 1 < MAX_DEPTH else (child, home, level))
