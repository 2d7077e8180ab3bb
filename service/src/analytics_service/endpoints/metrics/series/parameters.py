"""The parameters of metrics over time."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from typing_extensions import override

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import CSV
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.bucketed import MAX_FINE_RANGE, BucketedParameters
from analytics_service.endpoints.metrics.series.names import (
    PERCENTILES,
    VALUE_METRICS,
    Aggregation,
    Dimension,
    Metric,
)
from analytics_service.units.intervals import Interval

MAX_POINTS: Final = MAX_FINE_RANGE // Interval.MIN1.width + 1
"""Points in one answer: one group has as many in the longest range of minutes, which may cut one at both ends. Of more
groups the newest buckets are shown, all groups of each."""
MAX_VALUES: Final = len(Metric) * MAX_POINTS
"""Numbers in one answer: of every metric in all of these points, without percentiles."""

_EXAMPLE: Final = [Metric.REQUEST_COUNT, Metric.TOTAL_COST]


class Fill(StrEnum):
    NONE = "none"
    ZERO = "zero"


class MetricParameters(BucketedParameters, FilteredParameters):
    metrics: Annotated[tuple[Metric, ...], *CSV, Field(min_length=1, max_length=20, examples=[_EXAMPLE])]
    aggregation: Aggregation | None = None
    """Of duration and time to first token (usually avg), costs and tokens (usually sum); the others have but one."""
    include_percentiles: bool = False
    """Adds p50, p90, p95 and p99 of those metrics."""
    fill: Fill = Fill.NONE
    """`zero` shows buckets without requests too, for each group that has some: counts and sums are 0 there."""

    @model_validator(mode="after")
    def _check_points(self) -> Self:
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
    @override
    def measures(self) -> Mapping[Metric, tuple[Aggregation, ...]]:
        return {one: self.aggregations(one) if one in VALUE_METRICS else () for one in self.metrics}

    @property
    @override
    def filtered_by(self) -> frozenset[Dimension]:
        return frozenset() if self.user_id is None else frozenset({Dimension.USER_ID})

    @cached_property
    def columns(self) -> int:
        """Numbers in a point."""
        return sum(len(taken) or 1 for taken in self.measures.values())

    @property
    def max_points(self) -> int:
        """Points in the answer, at most."""
        return min(MAX_POINTS, MAX_VALUES // self.columns)

    def aggregations(self, metric: Metric) -> tuple[Aggregation, ...]:
        """Returns the aggregations of a metric; the first goes by the metric's own name."""
        first = self.aggregation or VALUE_METRICS[metric].default
        more = PERCENTILES if self.include_percentiles else ()
        return (first, *(one for one in more if one is not first))
