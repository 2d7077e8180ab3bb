"""Models of the cost of a day: a level, a trend and a season of a week, fitted by least squares. Pure.

A day costs what the line says, times the factor of its day of the week. The slope is that of a regression on time and
on the days of the week; a factor is the part of the line that its days cost. So nothing is iterated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

WEEK: Final = 7
_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    season: bool
    trend: bool


LEVEL: Final = Model(name="level", season=False, trend=False)
MODELS: Final = (
    LEVEL,
    Model(name="trend", season=False, trend=True),
    Model(name="weekly_season", season=True, trend=False),
    Model(name="weekly_season_and_trend", season=True, trend=True),
)
"""From the simplest on."""


class Fit:
    """A model of the costs of consecutive days, which have the numbers 0, 1, 2, ..."""

    def __init__(self, model: Model, costs: Sequence[Decimal]) -> None:
        self._days: Final = len(costs)
        self._period: Final = WEEK if model.season else 1
        self._has_trend: Final = model.trend
        self._mean: Final = _mean(costs)
        self._middle: Final = Decimal(self._days - 1) / 2
        self._squares: Final = Decimal(self._days**3 - self._days) / 12
        """Of the distances of all days from the middle."""
        self._slope = _slope(costs, self._period) if model.trend else _ZERO
        if min(self._line(0), self._line(self._days - 1)) <= 0:
            self._slope = _ZERO  # no line of costs crosses zero
        line = [self._line(day) for day in range(self._days)]
        self._factors: Final = [
            _mean(costs[day :: self._period]) / _mean(line[day :: self._period]) if self._mean else _ZERO
            for day in range(self._period)
        ]
        self.residuals: Final = [cost - self.cost(day) for day, cost in enumerate(costs)]

    def cost(self, day: int) -> Decimal:
        """What the model says, never below zero. A trend goes on for as long as it was seen, and ends there."""
        return max(self._factors[day % self._period] * self._line(min(day, 2 * self._days)), _ZERO)

    def studentized_residuals(self) -> list[Decimal]:
        """Residuals as errors of days that the model was not fitted to, which are larger, on the level of the mean."""
        return [
            each / self._scale(day) / (1 - self._leverage(day, has_trend=self._has_trend)).sqrt()
            for day, each in enumerate(self.residuals)
        ]

    def spread(self, day: int) -> Decimal:
        """By how much a studentized residual counts on a later day.

        With what a trend would add, also where the model has none: one that was too small to be seen may be there.
        """
        return self._scale(day) * (1 + self._leverage(day, has_trend=True)).sqrt()

    def _scale(self, day: int) -> Decimal:
        """Days are as far from a line as they are costly; but not less far than all that were seen."""
        if not self._slope:
            return _ONE
        smallest = min(self._line(0), self._line(self._days - 1))
        return max(self._line(min(day, 2 * self._days)), smallest) / self._mean

    def _line(self, day: int) -> Decimal:
        return self._mean + self._slope * (day - self._middle)

    def _leverage(self, day: int, *, has_trend: bool) -> Decimal:
        """The variance of what the model says of a day, as a part of the variance of a day."""
        apart = day - self._middle
        alike = len(range(day % self._period, self._days, self._period))
        return _ONE / alike + (apart * apart / self._squares if has_trend else _ZERO)


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, _ZERO) / len(values)


def _slope(costs: Sequence[Decimal], period: int) -> Decimal:
    """Cost a day: of what is left of costs and time when each day of the week has its mean taken away."""
    moment = squares = _ZERO
    for first in range(period):
        alike = costs[first::period]
        middle, mean = Decimal(len(alike) - 1) * period / 2, _mean(alike)
        for number, cost in enumerate(alike):
            time = number * period - middle
            moment += time * (cost - mean)
            squares += time * time
    return moment / squares
