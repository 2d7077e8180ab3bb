"""Calls of models within calls of models, as an SDK within a framework within a gateway: one request. Pure.

The innermost with usage counts, and of calls without any the outermost. Spans arrive in any order, so it is decided
again from all spans of a trace whenever some arrive (ingest/copy.py).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

MAX_SPANS: Final = 10_000
"""Of a trace for which it is decided: what arrives for a longer one counts as it came."""


class Span(NamedTuple):
    span_id: str
    parent: str | None
    is_call: bool
    """Of a model, whether it counts as a request or not."""
    has_usage: bool


def nested(spans: Sequence[Span]) -> frozenset[int]:
    """The positions of the calls that another one counts for. Ancestors that are each other's ancestors are none."""
    callers = _callers(spans)
    around_usage = set[int]()
    for number, span in enumerate(spans):
        caller = callers[number] if span.is_call and span.has_usage else None
        while caller is not None and caller not in around_usage:
            around_usage.add(caller)
            caller = callers[caller]
    inside = {
        number
        for number, span in enumerate(spans)
        if span.is_call and not span.has_usage and callers[number] is not None
    }
    return frozenset(around_usage | inside)


def _callers(spans: Sequence[Span]) -> Mapping[int, int | None]:
    """By position, that of the innermost call around a span."""
    positions: dict[str, int] = {}
    for number, span in enumerate(spans):
        positions.setdefault(span.span_id, number)
    callers: dict[int, int | None] = {}
    for number in range(len(spans)):
        path: dict[int, None] = {}
        at: int | None = number
        while at is not None and at not in callers and at not in path:
            path[at] = None
            parent = spans[at].parent
            at = None if parent is None else positions.get(parent)
        order = list(path)
        if at in path:  # each other's ancestors
            callers |= dict.fromkeys(order[order.index(at) :])
        above = at
        for each in reversed(order):
            if each not in callers:
                callers[each] = above if above is None or spans[above].is_call else callers[above]
                above = each
    return callers
