"""Intervals enclose the truth as often as they say, and equal what other formulas give."""

import math
import random
import statistics
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.endpoints.analytics.compare import estimates
from analytics_service.endpoints.analytics.compare.estimates import Bounds

STUDENT = {9: 2.262157, 19: 2.093024, 29: 2.045230, 59: 2.000995, 499: 1.964729}
"""Quantiles with 2.5 % above, from tables."""
DRAWS = 600


def enclosed(draw: Callable[[random.Random], Bounds | tuple[float, float]], truth: float) -> float:
    """The share of samples whose interval encloses the truth."""
    chance, hits = random.Random(7), 0
    for _ in range(DRAWS):
        bounds = draw(chance)
        lower, upper = (bounds.lower, bounds.upper) if isinstance(bounds, Bounds) else bounds
        hits += lower <= truth <= upper
    return hits / DRAWS


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_at_a_bound_is_as_far_as_the_normal_test_allows(counts: tuple[int, int]) -> None:
    """Wilson's interval is the inversion of that test."""
    count, whole = counts
    bounds = estimates.share(count, whole)
    for bound in (bounds.lower, bounds.upper):
        p = float(bound)
        if 1e-9 < p < 1 - 1e-9:
            distance = abs(count / whole - p) / math.sqrt(p * (1 - p) / whole)
            assert distance == pytest.approx(1.959964, rel=1e-4)
    assert 0 <= bounds.lower <= Fraction(count, whole) + Fraction(1, 10**12)
    assert Fraction(count, whole) - Fraction(1, 10**12) <= bounds.upper <= 1


@pytest.mark.parametrize("freedom", STUDENT)
def test_a_ratio_has_the_spread_of_its_residuals(freedom: int) -> None:
    chance = random.Random(freedom)
    clusters = [(chance.lognormvariate(0, 1), chance.randrange(1, 90)) for _ in range(freedom + 1)]
    bounds = estimates.ratio([(Decimal(repr(one)), Decimal(other)) for one, other in clusters])
    assert bounds is not None
    value = sum(one for one, _ in clusters) / sum(other for _, other in clusters)
    residuals = [one - value * other for one, other in clusters]
    error = statistics.stdev(residuals) / statistics.fmean(other for _, other in clusters) / math.sqrt(freedom + 1)
    assert float(bounds.upper) - value == pytest.approx(STUDENT[freedom] * error, rel=2e-3)
    assert value - float(bounds.lower) == pytest.approx(STUDENT[freedom] * error, rel=2e-3)


def test_a_mean_has_the_spread_of_its_values() -> None:
    values = [Decimal(random.Random(n).randrange(10**6)).scaleb(-3) for n in range(60)]
    bounds = estimates.mean(Decimal(60), sum(values, Decimal(0)), sum((each * each for each in values), Decimal(0)))
    width = STUDENT[59] * statistics.stdev(map(float, values)) / math.sqrt(60)
    assert float(bounds.upper - bounds.lower) == pytest.approx(2 * width, rel=2e-3)
    assert float(bounds.upper + bounds.lower) / 2 == pytest.approx(statistics.fmean(map(float, values)))


def test_an_average_is_enclosed_where_periods_differ() -> None:
    """Requests of a period share its level: taken as independent, they would be enclosed in a third of samples."""

    def draw(chance: random.Random) -> Bounds:
        clusters = []
        for _ in range(40):
            count, level = chance.randrange(5, 60), chance.gauss(10, 2)
            clusters.append((Decimal(repr(sum(chance.gauss(level, 3) for _ in range(count)))), Decimal(count)))
        bounds = estimates.ratio(clusters)
        assert bounds is not None
        return bounds

    assert 0.92 <= enclosed(draw, 10) <= 0.975


@pytest.mark.parametrize(("probability", "count"), [(0.5, 40), (0.02, 400), (0.9, 100)])
def test_a_share_is_enclosed(probability: float, count: int) -> None:
    def draw(chance: random.Random) -> Bounds:
        return estimates.share(sum(chance.random() < probability for _ in range(count)), count)

    assert 0.92 <= enclosed(draw, probability) <= 0.98


def test_a_share_is_enclosed_where_periods_differ() -> None:
    """Requests of a period share its rate of errors: taken as independent, few samples would enclose the truth."""

    def clusters(chance: random.Random) -> list[tuple[Decimal, Decimal]]:
        found = []
        for _ in range(60):
            count, rate = chance.randrange(20, 80), chance.betavariate(1, 9)
            found.append((Decimal(sum(chance.random() < rate for _ in range(count))), Decimal(count)))
        return found

    def clustered(chance: random.Random) -> Bounds:
        bounds = estimates.clustered_share(clusters(chance))
        assert bounds is not None
        return bounds

    def independent(chance: random.Random) -> Bounds:
        drawn = clusters(chance)
        return estimates.share(sum(one for one, _ in drawn), sum(other for _, other in drawn))

    assert 0.92 <= enclosed(clustered, 0.1) <= 0.98
    assert enclosed(independent, 0.1) < 0.8


def test_a_share_is_wilsons_where_periods_do_not_differ() -> None:
    alike = [(Decimal(2), Decimal(20))] * 400
    bounds, plain = estimates.clustered_share(alike), estimates.share(800, 8000)
    assert bounds is not None
    assert abs(bounds.lower - plain.lower) < Decimal("0.0001")
    assert abs(bounds.upper - plain.upper) < Decimal("0.0001")
    perfect = estimates.clustered_share([(Decimal(0), Decimal(30))] * 20)
    assert perfect is not None
    assert perfect.lower == 0
    assert perfect.upper > Decimal("0.005")


@pytest.mark.parametrize(("share", "count"), [(0.5, 50), (0.95, 300)])
def test_a_percentile_is_enclosed(share: float, count: int) -> None:
    def draw(chance: random.Random) -> tuple[float, float]:
        values = sorted(chance.lognormvariate(0, 2) for _ in range(count))
        ranks = estimates.ranks(count, share)
        assert ranks is not None
        return values[ranks[0] - 1], values[ranks[1] - 1]

    truth = math.exp(2 * statistics.NormalDist().inv_cdf(share))
    assert 0.94 <= enclosed(draw, truth) <= 0.99


def test_too_few_have_no_interval() -> None:
    assert estimates.ratio([(Decimal(1), Decimal(1))] * (estimates.MIN_CLUSTERS - 1)) is None
    assert estimates.ranks(60, 0.95) is None
    assert estimates.ranks(5, 0.5) is None
