"""The parameters of quality."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from analytics_service.contract.filters import FilteredParameters
from analytics_service.endpoints.scores.parameters import Name
from analytics_service.rollups.levels import Level, choose, fits
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval


class QualityParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(days=7)
    max_range: ClassVar[timedelta] = timedelta(days=365)

    granularity: Literal[Interval.HOUR, Interval.DAY] = Interval.HOUR
    """Of the series of requests; scores are by UTC day."""
    feedback_score: Name = "feedback"
    """The name of the numeric or boolean scores that avg_feedback_score is of."""
    resolution_score: Name = "resolved"
    """The name of the boolean scores that resolution_rate is of."""
    score: Name | None = None
    """Only scores of this name are listed in `scores`."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Of `error_breakdown`, of `scores`, and of the categories of each."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.level is Level.RAW and self.user_id is not None:
            self.require_raw_range("user_id", "by the hour, or for a tz other than UTC, a filter by user")
        return self

    @cached_property
    def starts(self) -> list[datetime]:
        """Where each bucket of the series begins, in UTC; the first may begin before the range."""
        return intervals.starts(self.range, self.granularity, self.zone)

    @cached_property
    def level(self) -> Level:
        asked: dict[str, Any] = {"start": self.range.start, "end": self.range.end, "zone": self.zone}
        asked["width"] = self.granularity.width
        if self.user_id is None:
            return choose(**asked)
        return Level.DAY_USER if fits(Level.DAY_USER, **asked) else Level.RAW
