"""The traces that a batch has rows of, where these have ids of their user's own. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.ingest.rows import SpanRow

T = TypeVar("T")


class Trace(NamedTuple):
    org_id: str
    trace_id: str


class Extent(NamedTuple):
    """The rows of a trace in a batch."""

    first: datetime
    last: datetime
    rows: int


def traces(rows: Iterable[SpanRow]) -> dict[Trace, Extent]:
    """Each with its extent in these rows."""
    extents: dict[Trace, Extent] = {}
    for row in rows:
        trace, ts = Trace(row["org_id"], row["trace_id"]), row["ts"]
        extent = extents.get(trace)
        extents[trace] = (
            Extent(ts, ts, 1)
            if extent is None
            else Extent(min(extent.first, ts), max(extent.last, ts), extent.rows + 1)
        )
    return extents


def within(first: str, last: str) -> str:
    """SQL: whether row `t` is between two moments and not before the retention horizon, in a form that no index takes.

    Of a range that it does not know the planner believes that it has few rows: it would look up a span by an index of
    times, and read all of its day there, in place of the key that begins with the trace.
    """
    return f"greatest(t.ts, {first}, {RAW_HORIZON}) = least(t.ts, {last})"


def in_partitions(first: str, last: str) -> str:
    """SQL: whether row `t` is between two moments, in a form by which partitions are left out and that no index takes:
    with a range of times behind columns that are not known, PostgreSQL 18 believes the key to be dear.
    """
    return f"((t.ts >= {first} AND t.ts <= {last}) OR t.ts = {first})"


def by_hour(rows: Iterable[T], of: Callable[[T], Any]) -> Iterable[tuple[tuple[str, datetime, datetime], list[T]]]:
    """By organisation and hour, with its first moment and that of the next: what a statement changes at once, so that
    its values tell which compressed batches that are.
    """
    groups: dict[tuple[str, datetime, datetime], list[T]] = {}
    for each in rows:
        row = of(each)
        hour = row["ts"].replace(minute=0, second=0, microsecond=0)
        groups.setdefault((row["org_id"], hour, hour + timedelta(hours=1)), []).append(each)
    return sorted(groups.items(), key=itemgetter(0))
