"""The model that a history supports, by days that were left out of the fit; and intervals from residuals. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from analytics_service.endpoints.costs.forecast.model import LEVEL, MODELS, WEEK, Fit, Model

MIN_DAYS: Final = WEEK
"""Of a history, for a level; below three weeks it is the mean of all days."""
MIN_MODEL_DAYS: Final = 3 * WEEK
"""For a season, a trend, and an error of days that were left out."""
INTERVAL: Final = Decimal("0.9")
"""Part of the days that lie between the bounds."""
_MAX_FOLDS: Final = 4
_MARGIN: Final = Decimal("0.98")
"""A model is preferred to a simpler one where its errors are smaller by more than that."""


class Point(NamedTuple):
    cost: Decimal
    lower: Decimal
    upper: Decimal


@dataclass(frozen=True, kw_only=True)
class Forecast:
    model: Model
    points: list[Point]
    r_squared: Decimal | None
    """Of the days of the history; None where all cost the same."""
    mean_percentage_error: Decimal | None
    """Absolute, in per cent, of days with costs that were left out; None where there are none."""


class _Backtest(NamedTuple):
    model: Model
    days: list[tuple[Decimal, Decimal]]
    """The cost of a day that was left out, and what the model predicted."""

    @property
    def error(self) -> Decimal:
        return sum((abs(cost - predicted) for cost, predicted in self.days), Decimal(0))


def forecast(costs: Sequence[Decimal], days: int) -> Forecast:
    """The `days` after a history of at least MIN_DAYS."""
    best = _select(costs)
    fit = Fit(best.model, costs)
    errors = sorted(fit.studentized_residuals())
    tail = (1 - INTERVAL) / 2
    low, high = _quantile(errors, tail), _quantile(errors, 1 - tail)
    points = []
    for day in range(len(costs), len(costs) + days):
        cost, spread = fit.cost(day), fit.spread(day)
        lower, upper = cost + min(low, Decimal(0)) * spread, cost + max(high, Decimal(0)) * spread
        points.append(Point(cost, max(lower, Decimal(0)), upper))
    return Forecast(
        model=best.model,
        points=points,
        r_squared=_r_squared(costs, fit),
        mean_percentage_error=_percentage_error(best.days),
    )


def _select(costs: Sequence[Decimal]) -> _Backtest:
    if len(costs) < MIN_MODEL_DAYS:
        return _Backtest(LEVEL, [])
    best, *others = (_backtest(model, costs) for model in MODELS)
    for each in others:
        if each.error < best.error * _MARGIN:
            best = each
    return best


def _backtest(model: Model, costs: Sequence[Decimal]) -> _Backtest:
    """Of up to four ends of the history, a week apart: each is left out and forecast from what is before it."""
    first = max(MIN_MODEL_DAYS - WEEK, len(costs) // 2)
    ends = [len(costs) - WEEK * fold for fold in range(1, _MAX_FOLDS + 1)]
    days = list[tuple[Decimal, Decimal]]()
    for end in ends:
        if end >= first:
            fit = Fit(model, costs[:end])
            days += [(costs[day], fit.cost(day)) for day in range(end, len(costs))]
    return _Backtest(model, days)


def _quantile(ordered: Sequence[Decimal], share: Decimal) -> Decimal:
    """Between two values in proportion; ranks are of one more value than there are, for the one to come."""
    rank = share * (len(ordered) + 1) - 1
    below = min(max(int(rank), 0), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * max(rank - below, Decimal(0))


def _r_squared(costs: Sequence[Decimal], fit: Fit) -> Decimal | None:
    mean = sum(costs, Decimal(0)) / len(costs)
    total = sum(((cost - mean) ** 2 for cost in costs), Decimal(0))
    return 1 - sum((each * each for each in fit.residuals), Decimal(0)) / total if total else None


def _percentage_error(days: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    errors = [abs(cost - predicted) / cost for cost, predicted in days if cost]
    return 100 * sum(errors, Decimal(0)) / len(errors) if errors else None
