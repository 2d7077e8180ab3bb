"""Makes figures of sums: averages are weighted, and rates are of the time that is retained of the range. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Row, sum_of
from analytics_service.endpoints.analytics.performance.parameters import Granularity, PerformanceParameters
from analytics_service.endpoints.metrics.series.values import Percentiles
from analytics_service.rollups import sketches
from analytics_service.rollups.incomplete import IncompleteReason, below_retention, lost_length
from analytics_service.units import decimals, intervals
from analytics_service.units.decimals import Number
from analytics_service.units.intervals import Interval


class PerformanceMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    granularity: Granularity
    interval: Interval
    """Of the points of the series."""
    data_source: str
    percentiles: Percentiles


class PerformanceFigures(TypedDict):
    """Times in milliseconds, of the requests that have one; null where none has."""

    request_count: Number
    avg_latency_ms: Number | None
    min_latency_ms: Number | None
    max_latency_ms: Number | None
    p50_latency_ms: Number | None
    p95_latency_ms: Number | None
    p99_latency_ms: Number | None
    avg_ttft_ms: Number | None
    """Time to the first token."""
    min_ttft_ms: Number | None
    max_ttft_ms: Number | None
    p50_ttft_ms: Number | None
    p95_ttft_ms: Number | None
    p99_ttft_ms: Number | None
    throughput_rps: Number | None
    """Requests in a second of the range, or of the bucket's part that lies in it."""
    total_tokens: Number
    tokens_per_second: Number | None
    """Of the same time: prompt and completion tokens of all requests together, not the speed of one."""


class PerformancePoint(PerformanceFigures):
    timestamp: datetime


class Performance(PerformanceFigures):
    metadata: PerformanceMetadata
    time_series: list[PerformancePoint]
    """The buckets that have requests, oldest first."""


def answer(params: PerformanceParameters, rows: Sequence[Row]) -> Answer:
    total, *buckets = rows
    lost = below_retention(total, IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION)
    spans = [intervals.overlap(params.starts, row["number"] - 1, params.range) for row in buckets]
    points = [
        PerformancePoint(
            timestamp=params.starts[row["number"] - 1].astimezone(params.zone),
            **_figures(row, span.length - lost_length(lost, span)),
        )
        for row, span in zip(buckets, spans, strict=True)
    ]
    return Answer(
        data=Performance(
            metadata=PerformanceMetadata(
                start_time=params.range.start,
                end_time=params.range.end,
                granularity=params.granularity,
                interval=params.interval,
                data_source=params.selection.level,
                percentiles=_percentiles(params),
            ),
            **_figures(total, params.range.length - lost_length(lost, params.range)),
            time_series=points,
        ),
        source=params.selection.level,
        watermark=total["watermark"],
        incomplete=lost,
    )


def _percentiles(params: PerformanceParameters) -> Percentiles:
    if params.selection.latency is None:
        return Percentiles(method="percentile_disc", error_bound=0)
    return Percentiles(method="log_histogram", error_bound=sketches.LATENCY_ERROR)


def _figures(row: Row, length: timedelta) -> PerformanceFigures:
    requests, tokens = sum_of(row, "requests"), sum_of(row, "tokens")
    return PerformanceFigures(
        request_count=requests,
        avg_latency_ms=_average(row, "duration_us"),
        min_latency_ms=_milliseconds(row, "duration_us_min"),
        max_latency_ms=_milliseconds(row, "duration_us_max"),
        p50_latency_ms=_milliseconds(row, "duration_us_p50"),
        p95_latency_ms=_milliseconds(row, "duration_us_p95"),
        p99_latency_ms=_milliseconds(row, "duration_us_p99"),
        avg_ttft_ms=_average(row, "ttft_us"),
        min_ttft_ms=_milliseconds(row, "ttft_us_min"),
        max_ttft_ms=_milliseconds(row, "ttft_us_max"),
        p50_ttft_ms=_milliseconds(row, "ttft_us_p50"),
        p95_ttft_ms=_milliseconds(row, "ttft_us_p95"),
        p99_ttft_ms=_milliseconds(row, "ttft_us_p99"),
        throughput_rps=_per_second(requests, length),
        total_tokens=tokens,
        tokens_per_second=_per_second(tokens, length),
    )


def _average(row: Row, measure: str) -> Decimal | None:
    return decimals.quotient(decimals.milliseconds(sum_of(row, f"{measure}_sum")), sum_of(row, f"{measure}_count"))


def _milliseconds(row: Row, column: str) -> Decimal | None:
    return None if row[column] is None else decimals.milliseconds(row[column])


def _per_second(count: Decimal, length: timedelta) -> Decimal | None:
    return decimals.quotient(decimals.product(count, 1_000_000), length // timedelta(microseconds=1))
