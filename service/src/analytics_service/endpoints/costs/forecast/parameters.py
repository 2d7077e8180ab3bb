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

    forecast_period: Annotated[Period, Field(examples=["custom"])] | None = None
    """7, 30 or 90 days, or as many as `forecast_days` says; by default a month, or `custom` with `forecast_days`."""
    forecast_days: Annotated[int, Field(ge=1, le=365, examples=[14])] | None = None
    """Of `forecast_period=custom`."""
    include_confidence_intervals: bool = True
    """Adds the bounds between which 90 % of the days are expected."""

    @property
    def horizon(self) -> int:
        """Days that are forecast."""
        return self.forecast_days or _DAYS[self.forecast_period or Period.NEXT_MONTH]

    @model_validator(mode="after")
    def _check_horizon(self) -> Self:
        is_custom = self.forecast_period is Period.CUSTOM
        if is_custom and self.forecast_days is None:
            self._refuse("forecast_days is missing: say how many days forecast_period=custom has")
        if self.forecast_days is not None and self.forecast_period is not None and not is_custom:
            self._refuse(f"{self.forecast_period} has its own days: ask with forecast_period=custom, or without this")
        if self.range.length < MIN_RANGE:
            raise RequestError(
                Problem.INVALID_TIME_RANGE, f"the range must be at least {days(MIN_RANGE)} long", field="from"
            )
        return self

    def _refuse(self, detail: str) -> None:
        raise RequestError(Problem.INVALID_PARAMETER, detail, field="forecast_days")
