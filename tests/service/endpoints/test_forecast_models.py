"""Back-test over a thousand generated histories: bounds hold what they promise, and seasonal naive is no better."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from statistics import fmean
from typing import NamedTuple

import pytest

from analytics_service.endpoints.costs.forecast import selection
from analytics_service.endpoints.costs.forecast.model import MODELS, WEEK, Fit
from analytics_service.endpoints.costs.forecast.selection import Forecast

COUNT = 200
"""Histories of each kind."""


class Series(NamedTuple):
    history: list[Decimal]
    future: list[Decimal]


def weekly(chance: random.Random) -> list[float]:
    return [*(chance.uniform(0.7, 1.3) for _ in range(5)), *(chance.uniform(0.1, 0.7) for _ in range(2))]


def flat(_chance: random.Random, _days: int) -> Callable[[int], float]:
    return lambda _day: 1


def seasonal(chance: random.Random, _days: int) -> Callable[[int], float]:
    week = weekly(chance)
    return lambda day: week[day % WEEK]


def trending(chance: random.Random, days: int) -> Callable[[int], float]:
    """Growth by up to 1.5 % of the first day a day, or decline by up to 80 % in all; half of them with a season."""
    week = chance.choice([weekly(chance), [1.0] * WEEK])
    slope = chance.uniform(0.002, 0.015) if chance.random() < 0.7 else -chance.uniform(0.2, 0.8) / days
    return lambda day: week[day % WEEK] * (1 + slope * day)


def bursty(chance: random.Random, _days: int) -> Callable[[int], float]:
    """On a few days three to ten times as much."""
    week, share = chance.choice([weekly(chance), [1.0] * WEEK]), chance.uniform(0.02, 0.1)
    return lambda day: week[day % WEEK] * (chance.uniform(3, 10) if chance.random() < share else 1)


def sparse(chance: random.Random, _days: int) -> Callable[[int], float]:
    """Most days without costs."""
    share = chance.uniform(0.15, 0.5)
    return lambda _day: chance.lognormvariate(0, 0.5) if chance.random() < share else 0


KINDS = (flat, seasonal, trending, bursty, sparse)


def a_series(kind: Callable[[random.Random, int], Callable[[int], float]], seed: int) -> Series:
    """Of four to twenty-six weeks, and one to four weeks after them."""
    chance = random.Random(f"{kind.__name__} {seed}")
    days, horizon = chance.choice([28, 42, 56, 84, 120, 180]), chance.choice([7, 14, 28])
    scale, noise = 10 ** chance.uniform(-1, 4), chance.choice([0.05, 0.1, 0.25])
    cost_of = kind(chance, days + horizon)
    costs = [
        Decimal(str(round(scale * cost_of(day) * chance.lognormvariate(0, noise), 9))) for day in range(days + horizon)
    ]
    return Series(costs[:days], costs[days:])


def percentage_errors(series: Series, forecast: Sequence[Decimal]) -> Iterator[float]:
    for cost, said in zip(series.future, forecast, strict=True):
        if cost:
            yield float(abs(cost - said) / cost)


def naive(series: Series) -> list[Decimal]:
    """The last week, repeated."""
    return [series.history[-WEEK:][day % WEEK] for day in range(len(series.future))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_bounds_hold_nine_days_of_ten_and_errors_are_not_larger_than_of_seasonal_naive(
    kind: Callable[[random.Random, int], Callable[[int], float]],
) -> None:
    inside, errors = list[bool](), defaultdict(list)
    for seed in range(COUNT):
        series = a_series(kind, seed)
        made = selection.forecast(series.history, len(series.future))
        inside += [point.lower <= cost <= point.upper for point, cost in zip(made.points, series.future, strict=True)]
        for name, said in (("ours", [point.cost for point in made.points]), ("naive", naive(series))):
            errors[name].append(list(percentage_errors(series, said)))
    mape = {name: fmean(fmean(of_series) for of_series in each if of_series) for name, each in errors.items()}
    assert 0.85 <= fmean(inside) <= 0.95
    assert mape["ours"] <= 1.05 * mape["naive"]


def forecast(costs: Sequence[float], days: int = 14) -> Forecast:
    return selection.forecast([Decimal(str(cost)) for cost in costs], days)


@pytest.mark.parametrize("days", [7, 20])
def test_below_three_weeks_it_is_the_mean(days: int) -> None:
    made = forecast([10.0 + day % 2 for day in range(days)])
    mean = sum(Decimal(10 + day % 2) for day in range(days)) / days
    assert (made.model.name, made.mean_percentage_error) == ("level", None)
    assert {point.cost for point in made.points} == {mean}


def test_three_weeks_are_enough_for_a_season() -> None:
    week = [10, 11, 12, 13, 14, 3, 2]
    made = forecast(week * 3)
    assert made.model.name == "weekly_season"
    assert [round(point.cost, 9) for point in made.points] == week * 2
    assert made.r_squared == 1
    assert made.mean_percentage_error == 0


def test_a_trend_goes_on_for_as_long_as_it_was_seen() -> None:
    made = forecast([100 + day for day in range(30)], 60)
    assert made.model.name == "trend"
    assert [round(point.cost, 9) for point in made.points] == [100 + min(day, 60) for day in range(30, 90)]


def test_season_and_trend_multiply() -> None:
    week = [1, 1, 1, 1, 1, 0.5, 0.25]
    made = forecast([week[day % 7] * (100 + day) for day in range(70)])
    assert made.model.name == "weekly_season_and_trend"
    for day, point in enumerate(made.points, start=70):
        assert float(point.cost) == pytest.approx(week[day % 7] * (100 + day), rel=0.01)


def test_no_cost_is_below_zero() -> None:
    made = forecast([max(0, 60 - 3 * day) for day in range(28)], 90)
    assert all(0 <= point.lower <= point.cost <= point.upper for point in made.points)


def test_nothing_is_forecast_of_nothing() -> None:
    made = forecast([0] * 30)
    assert {bound for point in made.points for bound in point} == {Decimal(0)}
    assert (made.r_squared, made.mean_percentage_error) == (None, None)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_residuals_add_up_to_nothing(model: object) -> None:
    """The forecast of a sum is not lower or higher than the history: bursts are in it as they came."""
    chance = random.Random(1)
    costs = [Decimal(chance.choice([1, 1, 1, 20])) for _ in range(42)]
    (of_model,) = [each for each in MODELS if each is model]
    assert abs(sum(Fit(of_model, costs).residuals, Decimal(0))) < Decimal("1e-20")
