"""The parameters of every question about metrics by bucket and group: what they need, and what answers it."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from analytics_service.contract.filters import RawRangeParameters
from analytics_service.contract.parameters import CSV, days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.names import (
    DISTINCT_COUNTS,
    PERCENTILES,
    Aggregation,
    Dimension,
    Metric,
)
from analytics_service.endpoints.metrics.series.selection import DETAILS, Requirements, RollupSelection, select_rollups
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval

MAX_FINE_RANGE: Final = timedelta(days=7)
"""For intervals below an hour."""
_EXTREMES: Final = frozenset({Aggregation.MIN, Aggregation.MAX})


class BucketedParameters(RawRangeParameters):
    default_range: ClassVar[timedelta] = timedelta(hours=24)
    max_range: ClassVar[timedelta] = timedelta(days=90)

    interval: Interval | Literal["auto"] = Interval.HOUR
    """`1min` and `5min` take a range of at most 7 days; `auto` gives a few hundred points at most."""
    group_by: Annotated[tuple[Dimension, ...], *CSV, Field(max_length=5)] = ()

    @property
    @abstractmethod
    def measures(self) -> Mapping[Metric, tuple[Aggregation, ...]]:
        """The metrics, with the aggregations of those of values."""

    @property
    @abstractmethod
    def filtered_by(self) -> frozenset[Dimension]: ...

    @property
    def compares_users(self) -> bool:
        """Whether numbers of users decide which rows there are: then they have to be exact."""
        return False

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        if self.step < Interval.HOUR.width and self.range.length > MAX_FINE_RANGE:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"the interval {self.interval} takes a range of at most {days(MAX_FINE_RANGE)}",
                field="interval",
            )
        return self

    @cached_property
    def resolved_interval(self) -> Interval:
        return intervals.automatic(self.range.length) if self.interval == "auto" else Interval(self.interval)

    @cached_property
    def starts(self) -> list[datetime]:
        """Where each bucket of the range begins, in UTC; the first may begin before the range."""
        return intervals.starts(self.range, self.resolved_interval, self.zone)

    @property
    def step(self) -> timedelta:
        return self.resolved_interval.width

    @cached_property
    def requirements(self) -> Requirements:
        measures = self.measures
        return Requirements(
            details=DETAILS & self.filtered_by.union(self.group_by),
            percentiles=tuple(metric for metric, taken in measures.items() if not PERCENTILES.keys().isdisjoint(taken)),
            counts=frozenset(measures) & DISTINCT_COUNTS.keys(),
            extremes=any(not _EXTREMES.isdisjoint(taken) for taken in measures.values()),
            exact_users=self.compares_users,
        )

    @cached_property
    def selection(self) -> RollupSelection:
        """RequestError where no table knows the answer, and the range is too long for raw."""
        return select_rollups(self, self.requirements, width=self.step)
