"""Makes points from sums and counts; averages are weighted, rates are of all requests of the bucket."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Row
from analytics_service.endpoints.metrics.series.names import (
    DISTINCT_COUNTS,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.endpoints.metrics.series.parameters import Fill, MetricParameters
from analytics_service.endpoints.metrics.series.statement import MAX_POINTS
from analytics_service.rollups import sketches
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason, below_retention, lost_length
from analytics_service.units import decimals, intervals
from analytics_service.units.intervals import Interval
from analytics_service.units.times import Range

Value = Decimal | int | None
Group = tuple[Any, ...]


class Percentiles(TypedDict):
    method: Literal["percentile_disc", "log_histogram"]
    error_bound: float
    """Relative; 0 is exact."""


class Counts(TypedDict):
    method: Literal["exact", "hyperloglog"]
    standard_error: float
    """Relative; 0 is exact."""


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
    first = _first_shown(params, found)
    shown = [row for row in found if row["number"] >= first]
    points = list(_points(params, shown, first, lost))
    hidden = _hidden(params, first, too_many=len(points) > MAX_POINTS)
    points = points[:MAX_POINTS]
    series = Series(metadata=_metadata(params, points=len(points), truncated=hidden is not None), data=points)
    return Answer(
        data=series,
        source=params.selection.level,
        watermark=rows[0]["watermark"],
        incomplete=[*lost, *([hidden] if hidden else [])],
    )


def _first_shown(params: MetricParameters, rows: Sequence[Row]) -> int:
    """Returns the number of the oldest bucket from which on all points fit; one that alone has too many counts too."""
    newest, points = len(params.starts), 0
    groups: set[Group] = set()
    for number, members in groupby(reversed(rows), key=lambda row: int(row["number"])):
        added = [_group(params, row) for row in members]
        more = groups.union(added)
        points = len(more) * (newest - number + 1) if params.fill is Fill.ZERO else points + len(added)
        if points > MAX_POINTS:
            return max(number + 1, _first_filled(params, groups)) if groups else number
        groups = more
    return _first_filled(params, groups)


def _first_filled(params: MetricParameters, groups: Collection[Group]) -> int:
    """Returns the number of the oldest bucket from which on each has a point for each group."""
    if params.fill is Fill.NONE:
        return 1
    return max(len(params.starts) - MAX_POINTS // max(len(groups), 1), 0) + 1


def _hidden(params: MetricParameters, first: int, *, too_many: bool) -> Incomplete | None:
    """Returns what is not shown of the range; all of it where one bucket alone has too many points."""
    if first == 1 and not too_many:
        return None
    end = params.range.end if too_many else params.starts[first - 1]
    return Incomplete(span=Range(params.range.start, end), reason=IncompleteReason.TRUNCATED)


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
        percentiles=_percentiles(params) if params.requirements.percentiles else None,
        unique_counts=_counts(params) if params.requirements.counts else None,
    )


def _percentiles(params: MetricParameters) -> Percentiles:
    if params.selection.latency is not None:
        return Percentiles(method="log_histogram", error_bound=sketches.LATENCY_ERROR)
    return Percentiles(method="percentile_disc", error_bound=0)


def _counts(params: MetricParameters) -> Counts:
    if params.selection.users is not None:
        return Counts(method="hyperloglog", standard_error=sketches.USERS_ERROR)
    return Counts(method="exact", standard_error=0)


def _points(
    params: MetricParameters, rows: Sequence[Row], first: int, lost: Sequence[Incomplete]
) -> Iterator[dict[str, Any]]:
    """Yields the points that have a row, and those to be filled from bucket `first` of which something is kept."""
    starts = params.starts
    groups = {(row["number"], _group(params, row)): row for row in rows}
    dimensions = [dimension.value for dimension in params.group_by]
    keys = _all_buckets(params, rows, first) if params.fill is Fill.ZERO else list(groups)
    if len(keys) > MAX_POINTS:  # of one bucket: there is no room for zeros
        keys = list(groups)
    for number, group in keys:
        shown = {"timestamp": starts[number - 1].astimezone(params.zone), **dict(zip(dimensions, group, strict=True))}
        row, span = groups.get((number, group)), intervals.overlap(starts, number - 1, params.range)
        length = span.length - lost_length(lost, span)
        if row is not None:
            yield shown | _values(params, row, length)
        elif length:
            yield shown | empty_values(params)


def _all_buckets(params: MetricParameters, rows: Sequence[Row], first: int) -> list[tuple[int, Group]]:
    """Returns each bucket with each group that has a request anywhere in what is shown."""
    groups = list(dict.fromkeys(_group(params, row) for row in rows)) if params.group_by else [()]
    return [(number, group) for number in range(first, len(params.starts) + 1) for group in groups]


def _group(params: MetricParameters, row: Row) -> Group:
    return tuple(row[dimension] for dimension in params.group_by)


def _values(params: MetricParameters, row: Row, length: timedelta) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for metric in params.metrics:
        if metric in VALUE_METRICS:
            first, *more = params.aggregations(metric)
            values[metric.value] = aggregate_value(metric, first, row)
            values |= {column_name(metric, one): aggregate_value(metric, one, row) for one in more}
        elif metric in DISTINCT_COUNTS:
            values[metric.value] = _unique(params, metric, row)
        else:
            values[metric.value] = _counted(metric, row["requests"], row["errors"], length)
    return values


def _unique(params: MetricParameters, metric: Metric, row: Row) -> int:
    if params.selection.users is not None:
        return sketches.users(dict(zip(row["ranks"] or (), row["registers"] or (), strict=True)))
    counted: int = row[metric]
    return counted


def aggregate_value(metric: Metric, aggregation: Aggregation, row: Row) -> Value:
    """Milliseconds for durations; None when no request of the group has a value."""
    if aggregation is Aggregation.AVG:
        total, count = (row[column_name(metric, one)] for one in (Aggregation.SUM, Aggregation.COUNT))
        if total is None or not count:
            return None
        return decimals.quotient(_scaled(metric, total), count)
    value: Value = row[column_name(metric, aggregation)]
    return value if value is None or aggregation is Aggregation.COUNT else _scaled(metric, value)


def _scaled(metric: Metric, value: Decimal | int) -> Decimal | int:
    return decimals.milliseconds(value) if VALUE_METRICS[metric].milliseconds else value


def _counted(metric: Metric, requests: Decimal, errors: Decimal, length: timedelta) -> Value:
    """UNSET is no error, as in OpenTelemetry."""
    match metric:
        case Metric.ERROR_COUNT:
            return errors
        case Metric.SUCCESS_COUNT:
            return requests - errors
        case Metric.ERROR_RATE:
            return decimals.quotient(errors, requests)
        case Metric.SUCCESS_RATE:
            return decimals.quotient(requests - errors, requests)
        case Metric.THROUGHPUT:
            return decimals.quotient(decimals.product(requests, 1_000_000), length // timedelta(microseconds=1))
        case _:
            return requests


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
