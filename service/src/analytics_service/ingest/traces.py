"""The traces that a batch has rows of, where these have ids of their user's own. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from analytics_service.ingest.rows import SpanRow


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
