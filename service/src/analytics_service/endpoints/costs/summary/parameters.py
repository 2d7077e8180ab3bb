"""The parameters of the costs summary."""

from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.rollups.levels import Level, choose, fits

_DAY: Final = timedelta(days=1)
MAX_TOP_TRACES_RANGE: Final = timedelta(days=31)
"""For the most expensive traces, which are searched among all requests of the range."""


class SummaryParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(days=30)
    max_range: ClassVar[timedelta] = timedelta(days=365)

    include_trends: bool = True
    """Costs by local day and week, and how fast they grow."""
    include_top_traces: bool = False
    """The dearest traces; the range may be at most 31 days long."""
    top_limit: Annotated[int, Field(ge=1, le=100)] = 10
    """Of `include_top_traces`."""

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.user_id is not None and self.level is Level.RAW:
            self.require_raw_range("user_id", "for a tz other than UTC a filter by user")
        if self.include_top_traces and self.range.length > MAX_TOP_TRACES_RANGE:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"include_top_traces takes a range of at most {days(MAX_TOP_TRACES_RANGE)}",
                field="include_top_traces",
            )
        return self

    @cached_property
    def level(self) -> Level:
        asked: dict[str, Any] = {"start": self.range.start, "end": self.range.end, "zone": self.zone, "width": _DAY}
        if self.user_id is None:
            return choose(**asked)
        return Level.DAY_USER if fits(Level.DAY_USER, **asked) else Level.RAW
