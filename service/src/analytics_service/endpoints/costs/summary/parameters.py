"""The parameters of the costs summary."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, model_validator

from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.costs.days import DailyParameters

MAX_TOP_TRACES_RANGE: Final = timedelta(days=31)
"""For the most expensive traces, which are searched among all requests of the range."""


class SummaryParameters(DailyParameters):
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
        if self.include_top_traces and self.range.length > MAX_TOP_TRACES_RANGE:
            raise RequestError(
                Problem.RANGE_TOO_LARGE,
                f"include_top_traces takes a range of at most {days(MAX_TOP_TRACES_RANGE)}",
                field="include_top_traces",
            )
        return self
