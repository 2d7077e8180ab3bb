"""The parameters of performance."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Final, Self

from pydantic import model_validator

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.bucketed import MAX_FINE_RANGE
from analytics_service.endpoints.metrics.series.names import Metric
from analytics_service.endpoints.metrics.series.selection import Requirements, RollupSelection, select_rollups
from analytics_service.rollups.levels import Level
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval

_REQUIREMENTS: Final = Requirements(
    details=frozenset(), percentiles=(Metric.DURATION, Metric.TIME_TO_FIRST_TOKEN), extremes=True
)


class Granularity(StrEnum):
    MIN1 = "1min"
    HOUR = "1hour"
    DAY = "1day"
    RAW = "raw"


class PerformanceParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(days=7)
    max_range: ClassVar[timedelta] = timedelta(days=90)

    granularity: Granularity = Granularity.HOUR
    """Of the series. `1min` takes a range of at most 7 days, and so does `raw`: exact percentiles, computed from each
    request, in a few hundred points. Filtered by user they are exact too, in at most 7 days."""

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.interval.width < Interval.HOUR.width and self.range.length > MAX_FINE_RANGE:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"the granularity {self.granularity} takes a range of at most {days(MAX_FINE_RANGE)}",
                field="granularity",
            )
        _ = self.selection  # refuses what no table knows
        return self

    @cached_property
    def interval(self) -> Interval:
        is_raw = self.granularity is Granularity.RAW
        return intervals.automatic(self.range.length) if is_raw else Interval(self.granularity.value)

    @cached_property
    def starts(self) -> list[datetime]:
        """Where each bucket of the series begins, in UTC; the first may begin before the range."""
        return intervals.starts(self.range, self.interval, self.zone)

    @cached_property
    def selection(self) -> RollupSelection:
        if self.granularity is Granularity.RAW:
            self.require_raw_range("granularity", "the granularity raw")
        elif self.user_id is not None:
            self.require_raw_range("user_id", "the latency of a user")
        else:
            return select_rollups(self, _REQUIREMENTS, width=self.interval.width)
        return RollupSelection(level=Level.RAW)
