"""Makes points from sums and counts; averages are weighted, rates are of all requests of the bucket."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row
from analytics_service.endpoints.metrics.series import shown
from analytics_service.endpoints.metrics.series.names import (
    COSTS,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.endpoints.metrics.series.values import (
    Counts,
    Percentiles,
    Value,
    aggregate_value,
    percentiles,
    unique_counts,
    value_of,
)
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason, below_retention
from analytics_service.units.intervals import Interval


class SeriesMetadata(TypedDict):
    interval: Interval
    start_time: datetime
    end_time: datetime
    metrics: list[Metric]
    aggregations: dict[str, Aggregation]
    """Of the metrics of values, the one that goes by the metric's own name."""
    group_by: list[str]
    data_source: str
    total_points: int
    truncated: bool
    """There are more points than an answer may hold: the newest buckets are shown, all groups of each, and
    `meta.incomplete` says which stretch is not. The groups of one bucket alone may be too many: the first by name."""
    percentiles: Percentiles | None
    unique_counts: Counts | None


class Series(TypedDict):
    metadata: SeriesMetadata
    data: list[dict[str, Any]]
    """`timestamp`, the dimensions of group_by, and a number or null for each metric; oldest first."""


def answer(params: MetricParameters, rows: Sequence[Row]) -> Answer:
    lost = below_retention(rows[0], IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION)
    found = [row for row in rows if row["number"] is not None]
    first = shown.first_bucket(params, found)
    found = [row for row in found if row["number"] >= first]
    keys = shown.keys(params, found, first, lost)
    hidden = shown.hidden(params, first, too_many=len(keys) > params.max_points)
    keys = keys[: params.max_points]
    return Answer(
        data={
            "metadata": _metadata(params, points=len(keys), truncated=hidden is not None),
            "data": _points(params, found, keys, lost),  # made as they are encoded: together they would hold the loop
        },
        source=params.selection.level,
        watermark=rows[0]["watermark"],
        incomplete=[*lost, *([hidden] if hidden else [])],
        coverage=None if COSTS.isdisjoint(params.metrics) else _coverage(params, found, keys),
    )


def _coverage(params: MetricParameters, rows: Sequence[Row], keys: Sequence[tuple[int, shown.Group]]) -> Coverage:
    """Of the points that are shown."""
    seen = set(keys)
    counted = [row for row in rows if (row["number"], shown.group_of(params, row)) in seen]
    return Coverage.of(
        sum(row["unpriced"] or 0 for row in counted), sum(row["unpriced_tokens"] or 0 for row in counted)
    )


def _metadata(params: MetricParameters, *, points: int, truncated: bool) -> SeriesMetadata:
    measured = {metric: params.aggregations(metric) for metric in params.metrics if metric in VALUE_METRICS}
    return SeriesMetadata(
        interval=params.resolved_interval,
        start_time=params.range.start,
        end_time=params.range.end,
        metrics=list(params.metrics),
        aggregations={metric.value: taken[0] for metric, taken in measured.items()},
        group_by=list(params.group_by),
        data_source=params.selection.level,
        total_points=points,
        truncated=truncated,
        percentiles=percentiles(params.selection) if params.requirements.percentiles else None,
        unique_counts=unique_counts(params.selection) if params.requirements.counts else None,
    )


def _points(
    params: MetricParameters, rows: Sequence[Row], keys: Sequence[tuple[int, shown.Group]], lost: Sequence[Incomplete]
) -> Iterator[dict[str, Any]]:
    groups = {(row["number"], shown.group_of(params, row)): row for row in rows}
    dimensions = [dimension.value for dimension in params.group_by]
    starts = params.starts
    for number, group in keys:
        point = {"timestamp": starts[number - 1].astimezone(params.zone), **dict(zip(dimensions, group, strict=True))}
        row = groups.get((number, group))
        if row is None:
            yield point | empty_values(params)
        else:
            yield point | _values(params, row, shown.retained_length(params, number, lost))


def _values(params: MetricParameters, row: Row, length: timedelta) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for metric, taken in params.measures.items():
        first = taken[0] if taken else None
        values[metric.value] = value_of(metric, first, row, selection=params.selection, length=length)
        values |= {column_name(metric, one): aggregate_value(metric, one, row) for one in taken[1:]}
    return values


_SHARES = frozenset({Metric.ERROR_RATE, Metric.SUCCESS_RATE})


def empty_values(params: MetricParameters) -> dict[str, Value]:
    """Returns the values of a bucket without requests: sums and counts are 0, averages and rates are null."""
    values: dict[str, Value] = {}
    for metric in params.metrics:
        if metric not in VALUE_METRICS:
            values[metric.value] = None if metric in _SHARES else 0
            continue
        first, *more = params.aggregations(metric)
        values[metric.value] = 0 if first in {Aggregation.SUM, Aggregation.COUNT} else None
        values |= dict.fromkeys(column_name(metric, one) for one in more)
    return values
