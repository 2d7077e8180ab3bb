"""Makes the rows of a query of metrics."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row
from analytics_service.endpoints.metrics.query.parameters import TIMESTAMP, QueryParameters
from analytics_service.endpoints.metrics.series import shown
from analytics_service.endpoints.metrics.series.names import COSTS
from analytics_service.endpoints.metrics.series.values import (
    Counts,
    Percentiles,
    percentiles,
    unique_counts,
    value_of,
)
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason, below_retention
from analytics_service.units.intervals import Interval


class QueryMetadata(TypedDict):
    interval: Interval
    start_time: datetime
    end_time: datetime
    metrics: list[str]
    """The names of the columns, in the order of the request."""
    group_by: list[str]
    data_source: str
    filters_applied: int
    having_conditions: int
    total_rows: int
    """That meet the conditions."""
    truncated: bool
    """There are more than `limit`: the first in the order are shown."""
    percentiles: Percentiles | None
    unique_counts: Counts | None


class QueryResult(TypedDict):
    metadata: QueryMetadata
    data: list[dict[str, Any]]
    """`timestamp`, the dimensions of group_by, and a number or null for each metric."""


def answer(params: QueryParameters, rows: Sequence[Row]) -> Answer:
    lost = below_retention(rows[0], IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION)
    found = [row for row in rows if row["number"] is not None]
    in_all = found[0]["in_all"] if found else 0
    metadata = QueryMetadata(
        interval=params.resolved_interval,
        start_time=params.range.start,
        end_time=params.range.end,
        metrics=list(params.columns),
        group_by=list(params.group_by),
        data_source=params.selection.level,
        filters_applied=len(params.filters),
        having_conditions=len(params.having),
        total_rows=in_all,
        truncated=in_all > len(found),
        percentiles=percentiles(params.selection) if params.requirements.percentiles else None,
        unique_counts=unique_counts(params.selection) if params.requirements.counts else None,
    )
    return Answer(
        data={"metadata": metadata, "data": _points(params, found, lost)},
        source=params.selection.level,
        watermark=rows[0]["watermark"],
        incomplete=lost,
        coverage=None if COSTS.isdisjoint(params.measures) else _coverage(found),
    )


def _coverage(rows: Sequence[Row]) -> Coverage:
    """Of the rows that are shown."""
    return Coverage.of(sum(row["unpriced"] or 0 for row in rows), sum(row["unpriced_tokens"] or 0 for row in rows))


def _points(params: QueryParameters, rows: Sequence[Row], lost: Sequence[Incomplete]) -> Iterator[dict[str, Any]]:
    """Made as they are encoded: together they would hold the loop."""
    dimensions = [dimension.value for dimension in params.group_by]
    for row in rows:
        length = shown.retained_length(params, row["number"], lost)
        yield {
            TIMESTAMP: params.starts[row["number"] - 1].astimezone(params.zone),
            **dict(zip(dimensions, shown.group_of(params, row), strict=True)),
            **{
                name: value_of(measure.metric, measure.aggregation, row, selection=params.selection, length=length)
                for name, measure in params.columns.items()
            },
        }
