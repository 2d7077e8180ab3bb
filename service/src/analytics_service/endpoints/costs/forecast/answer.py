"""Makes the forecast, from the complete days since the first cost: a day without requests cost nothing."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import dropwhile
from typing import Final, NotRequired

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.endpoints.costs.days import Day, days
from analytics_service.endpoints.costs.forecast.parameters import ForecastParameters
from analytics_service.endpoints.costs.forecast.selection import INTERVAL, MIN_DAYS, Forecast, Point, forecast
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

_MONTH_DAYS: Final = 30


class ForecastMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    history_days: int
    """Complete days from the first request with a cost on, which the forecast is made from. The day that is not over is
    none.
    """
    forecast_days: int
    model_type: str | None
    """`level`, `trend`, `weekly_season` or `weekly_season_and_trend`; null where nothing is forecast."""
    reason: str | None
    """Why nothing is forecast."""
    confidence: Number
    """Part of the days that are expected between the bounds."""
    data_source: str
    currency: str


class HistoricalDay(TypedDict):
    date: date
    cost: Number


class ForecastDay(TypedDict):
    date: date
    forecasted_cost: Number
    lower_bound: NotRequired[Number]
    upper_bound: NotRequired[Number]


class ForecastSummary(TypedDict):
    total_forecasted_cost: Number
    avg_daily_cost: Number | None
    projected_monthly_cost: Number | None
    """The average of 30 days."""
    r_squared: Number | None
    """Of the history; null where every day cost the same."""
    mape: Number | None
    """Mean absolute error in per cent, of days with costs that were left out of the fit; null below three weeks."""


class CostForecast(TypedDict):
    metadata: ForecastMetadata
    historical: list[HistoricalDay]
    forecast: list[ForecastDay]
    """From the day after the history on."""
    summary: ForecastSummary | None
    """Null where nothing is forecast."""


def answer(params: ForecastParameters, rows: Sequence[Row]) -> Answer:
    first, by_day = rows[0], [row for row in rows if row["day"] is not None]
    lost = below_retention(first, IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION)
    complete = [day for day in days(params, by_day, lost) if day.complete]
    history = list(dropwhile(lambda day: not day.priced, complete))
    made = forecast([day.cost for day in history], params.horizon) if len(history) >= MIN_DAYS else None
    return Answer(
        data=CostForecast(
            metadata=_metadata(params, history, made),
            historical=[HistoricalDay(date=day.day, cost=day.cost) for day in history],
            forecast=_days(params, history, made.points) if made else [],
            summary=_summary(made) if made else None,
        ),
        source=params.level,
        watermark=first["watermark"],
        incomplete=lost,
        coverage=Coverage.of(
            decimals.total(sum_of(row, "unpriced") for row in by_day),
            decimals.total(sum_of(row, "unpriced_tokens") for row in by_day),
        ),
    )


def _metadata(params: ForecastParameters, history: Sequence[Day], made: Forecast | None) -> ForecastMetadata:
    too_short = (
        f"there are {len(history)} complete days since the first request with a cost of the range, and "
        f"{MIN_DAYS} are needed"
    )
    return ForecastMetadata(
        start_time=params.range.start,
        end_time=params.range.end,
        history_days=len(history),
        forecast_days=params.horizon,
        model_type=made.model.name if made else None,
        reason=None if made else f"{too_short}: ask for a longer range",
        confidence=INTERVAL,
        data_source=params.level,
        currency="USD",
    )


def _days(params: ForecastParameters, history: Sequence[Day], points: Sequence[Point]) -> list[ForecastDay]:
    last, forecast_days = history[-1].day, list[ForecastDay]()
    for number, point in enumerate(points, start=1):
        day = ForecastDay(date=last + timedelta(days=number), forecasted_cost=decimals.rounded(point.cost))
        if params.include_confidence_intervals:
            day["lower_bound"], day["upper_bound"] = decimals.rounded(point.lower), decimals.rounded(point.upper)
        forecast_days.append(day)
    return forecast_days


def _summary(made: Forecast) -> ForecastSummary:
    total = decimals.total(decimals.rounded(point.cost) for point in made.points)
    return ForecastSummary(
        total_forecasted_cost=total,
        avg_daily_cost=decimals.quotient(total, len(made.points)),
        projected_monthly_cost=decimals.quotient(decimals.product(total, _MONTH_DAYS), len(made.points)),
        r_squared=_rounded(made.r_squared),
        mape=_rounded(made.mean_percentage_error),
    )


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else decimals.rounded(value)
