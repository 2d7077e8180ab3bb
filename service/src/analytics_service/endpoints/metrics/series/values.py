"""The value of a metric, from the sums and counts of a bucket and group, and how it was found. Pure."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Row
from analytics_service.endpoints.metrics.series.names import (
    DISTINCT_COUNTS,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.endpoints.metrics.series.selection import RollupSelection
from analytics_service.rollups import sketches
from analytics_service.units import decimals

Value = Decimal | int | None


class Percentiles(TypedDict):
    method: Literal["percentile_disc", "log_histogram"]
    """Histograms give those of duration and time_to_first_token, unless raw has to be read for another metric or
    group."""
    error_bound: float
    """Relative; 0 is exact."""


class Counts(TypedDict):
    method: Literal["exact", "hyperloglog"]
    """Users of UTC days, of a few minutes, and sessions are exact; those of hours and of other zones are estimated."""
    standard_error: float
    """Relative; 0 is exact."""


def percentiles(selection: RollupSelection) -> Percentiles:
    if selection.latency is not None:
        return Percentiles(method="log_histogram", error_bound=sketches.LATENCY_ERROR)
    return Percentiles(method="percentile_disc", error_bound=0)


def unique_counts(selection: RollupSelection) -> Counts:
    if not selection.counts_users_exactly:
        return Counts(method="hyperloglog", standard_error=sketches.USERS_ERROR)
    return Counts(method="exact", standard_error=0)


def value_of(
    metric: Metric, aggregation: Aggregation | None, row: Row, *, selection: RollupSelection, length: timedelta
) -> Value:
    """`length` is that of the part of the bucket that is retained."""
    if aggregation is not None:
        return aggregate_value(metric, aggregation, row)
    if metric in DISTINCT_COUNTS:
        return _unique(selection, metric, row)
    return _counted(metric, row["requests"], row["errors"], length)


def _unique(selection: RollupSelection, metric: Metric, row: Row) -> int:
    if not selection.counts_users_exactly:
        return sketches.users(dict(zip(row["ranks"] or (), row["registers"] or (), strict=True)))
    counted: int | None = row[metric]
    return counted or 0


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
