"""The parameters of the forecast: a history, and the days after it."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, model_validator

from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.costs.days import DailyParameters

MIN_RANGE: Final = timedelta(days=7)


class Period(StrEnum):
    NEXT_WEEK = "next_week"
    NEXT_MONTH = "next_month"
    NEXT_QUARTER = "next_quarter"
    CUSTOM = "custom"


_DAYS: Final = {Period.NEXT_WEEK: 7, Period.NEXT_MONTH: 30, Period.NEXT_QUARTER: 90}


class ForecastParameters(DailyParameters):
    default_range: ClassVar[timedelta] = timedelta(days=30)
    max_range: ClassVar[timedelta] = timedelta(days=365)

    forecast_period: Annotated[Period, Field(examples=["custom"])] = Period.NEXT_MONTH
    """7, 30 or 90 days; `custom` takes `forecast_days`."""
    forecast_days: Annotated[int, Field(ge=1, le=365, examples=[14])] | None = None
    """With `forecast_period=custom`."""
    include_confidence_intervals: bool = True
    """Adds the bounds between which 90 % of the days are expected."""

    @property
    def horizon(self) -> int:
        """Days that are forecast."""
        return self.forecast_days or _DAYS[self.forecast_period]

    @model_validator(mode="after")
    def _check_horizon(self) -> Self:
        if (self.forecast_period is Period.CUSTOM) != (self.forecast_days is not None):
            raise RequestError(
                Problem.INVALID_PARAMETER,
                "forecast_days and forecast_period=custom belong together: give both, or neither",
                field="forecast_days",
            )
        if self.range.length < MIN_RANGE:
            raise RequestError(
                Problem.INVALID_TIME_RANGE, f"the range must be at least {days(MIN_RANGE)} long", field="from"
            )
        return self
