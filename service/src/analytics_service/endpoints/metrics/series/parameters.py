"""The parameters of metrics over time."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import CSV, days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.names import (
    DISTINCT_COUNTS,
    PERCENTILES,
    VALUE_METRICS,
    Aggregation,
    Dimension,
    Metric,
)
from analytics_service.endpoints.metrics.series.selection import DETAILS, Requirements, RollupSelection, select_rollups
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval

MAX_FINE_RANGE: Final = timedelta(days=7)
"""For intervals below an hour."""
MAX_POINTS: Final = MAX_FINE_RANGE // Interval.MIN1.width + 1
"""Points in one answer: one group has as many in the longest range of minutes, which may cut one at both ends. Of more
groups the newest buckets are shown, all groups of each."""
MAX_VALUES: Final = len(Metric) * MAX_POINTS
"""Numbers in one answer: of every metric in all of these points, without percentiles."""

_EXTREMES: Final = frozenset({Aggregation.MIN, Aggregation.MAX})


class Fill(StrEnum):
    NONE = "none"
    ZERO = "zero"


class MetricParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(hours=24)
    max_range: ClassVar[timedelta] = timedelta(days=90)

    metrics: Annotated[tuple[Metric, ...], *CSV, Field(min_length=1, max_length=20)]
    interval: Interval | Literal["auto"] = Interval.HOUR
    """`1min` and `5min` take a range of at most 7 days; `auto` gives a few hundred points at most."""
    group_by: Annotated[tuple[Dimension, ...], *CSV, Field(max_length=5)] = ()
    aggregation: Aggregation | None = None
    """Of duration and time to first token (usually avg), costs and tokens (usually sum); the others have but one."""
    include_percentiles: bool = False
    """Adds p50, p90, p95 and p99 of those metrics."""
    fill: Fill = Fill.NONE
    """`zero` shows buckets without requests too, for each group that has some: counts and sums are 0 there."""

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.step < Interval.HOUR.width and self.range.length > MAX_FINE_RANGE:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"the interval {self.interval} takes a range of at most {days(MAX_FINE_RANGE)}",
                field="interval",
            )
        if len(self.starts) > self.max_points:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"{len(self.starts)} buckets of {self.columns} numbers each are more than {MAX_VALUES}: "
                "ask for fewer metrics, without include_percentiles, or for a shorter range",
                field="include_percentiles" if self.include_percentiles else "metrics",
            )
        if self.requirements:
            _ = self.selection  # refuses what no table knows
        return self

    @cached_property
    def resolved_interval(self) -> Interval:
        return intervals.automatic(self.range.length) if self.interval == "auto" else Interval(self.interval)

    @cached_property
    def starts(self) -> list[datetime]:
        """Where each bucket of the range begins, in UTC; the first may begin before the range."""
        return intervals.starts(self.range, self.resolved_interval, self.zone)

    @cached_property
    def columns(self) -> int:
        """Numbers in a point."""
        return sum(len(self.aggregations(one)) if one in VALUE_METRICS else 1 for one in set(self.metrics))

    @property
    def max_points(self) -> int:
        """Points in the answer, at most."""
        return min(MAX_POINTS, MAX_VALUES // self.columns)

    @property
    def step(self) -> timedelta:
        return self.resolved_interval.width

    @cached_property
    def requirements(self) -> Requirements:
        filtered = () if self.user_id is None else (Dimension.USER_ID,)
        return Requirements(
            details=DETAILS.intersection((*self.group_by, *filtered)),
            percentiles=tuple(
                metric
                for metric in self.metrics
                if metric in VALUE_METRICS and not PERCENTILES.keys().isdisjoint(self.aggregations(metric))
            ),
            counts=frozenset(self.metrics) & DISTINCT_COUNTS.keys(),
            extremes=any(
                not _EXTREMES.isdisjoint(self.aggregations(metric))
                for metric in self.metrics
                if metric in VALUE_METRICS
            ),
        )

    @cached_property
    def selection(self) -> RollupSelection:
        return select_rollups(self, self.requirements, width=self.step)

    def aggregations(self, metric: Metric) -> tuple[Aggregation, ...]:
        """Returns the aggregations of a metric; the first goes by the metric's own name."""
        first = self.aggregation or VALUE_METRICS[metric].default
        more = PERCENTILES if self.include_percentiles else ()
        return (first, *(one for one in more if one is not first))
