"""The parameters of optimization."""

from datetime import timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field

from analytics_service.contract.filters import FilteredParameters
from analytics_service.rollups.levels import Level, choose


class OptimizationParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(days=7)
    max_range: ClassVar[timedelta] = FilteredParameters.max_raw_range

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Of findings."""

    @cached_property
    def level(self) -> Level:
        """Of the sums; prompts are compared in raw."""
        return choose(start=self.range.start, end=self.range.end) if self.user_id is None else Level.RAW
