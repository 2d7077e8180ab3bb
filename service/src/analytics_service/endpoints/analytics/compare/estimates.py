"""Confidence intervals of 95 % for averages, shares and percentiles. Pure.

Averages: requests of a period resemble one another, so the spread is measured between periods, as of a ratio that is
estimated from clusters (Cochran, Sampling Techniques, 6.4 and 9A); with Student's quantile, for there may be few.
Shares: Wilson's interval, which holds where nothing has failed, too; of requests with the effective sample size (Kish):
as many independent ones as would vary as much as the periods do. Percentiles: the order statistics that enclose it
in 95 % of samples, whatever the distribution is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Final

from analytics_service.units import decimals

LEVEL: Final = 0.95
MIN_CLUSTERS: Final = 10
"""Periods with values: of fewer, their spread says little."""
_Z: Final = Decimal("1.959963984540")
"""The quantile of the normal distribution: 2.5 % lie above it."""
_PRECISION: Final = Context(prec=60)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    lower: Decimal
    upper: Decimal


def share(count: Decimal | int, whole: Decimal | int) -> Bounds:
    """Of `count` in `whole`, which is above 0, of independent values."""
    with localcontext(_PRECISION):
        return _wilson(Decimal(count) / Decimal(whole), Decimal(whole), _Z)


def clustered_share(clusters: Sequence[tuple[Decimal, Decimal]]) -> Bounds | None:
    """Of the sum of the first values in that of the second, as `ratio`; None where there are too few."""
    count = len(clusters)
    if count < MIN_CLUSTERS:
        return None
    with localcontext(_PRECISION):
        part, whole, variance = _ratio(clusters)
        independent = part * (1 - part) / whole
        effect = max(variance / independent, Decimal(1)) if independent else Decimal(1)
        return _wilson(part, whole / effect, _student(count - 1))


def _wilson(part: Decimal, number: Decimal, quantile: Decimal) -> Bounds:
    middle = part + quantile**2 / (2 * number)
    width = quantile * (part * (1 - part) / number + quantile**2 / (4 * number**2)).sqrt()
    scale = 1 + quantile**2 / number
    return _bounds(max((middle - width) / scale, Decimal(0)), min((middle + width) / scale, Decimal(1)))


def ratio(clusters: Sequence[tuple[Decimal, Decimal]]) -> Bounds | None:
    """Of the sum of the first values by the sum of the second, which are above 0; None where there are too few."""
    count = len(clusters)
    if count < MIN_CLUSTERS:
        return None
    with localcontext(_PRECISION):
        value, _, variance = _ratio(clusters)
        width = _student(count - 1) * variance.sqrt()
        return _bounds(value - width, value + width)


def _ratio(clusters: Sequence[tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal, Decimal]:
    """The ratio of the sums, the second sum, and the variance of the ratio."""
    count, whole = len(clusters), sum((each for _, each in clusters), Decimal(0))
    value = sum((each for each, _ in clusters), Decimal(0)) / whole
    spread = sum(((one - value * other) ** 2 for one, other in clusters), Decimal(0)) / (count - 1)
    return value, whole, spread * count / whole**2


def mean(count: Decimal, total: Decimal, squares: Decimal) -> Bounds:
    """Of independent values by their number, which is above 1, their sum and that of their squares."""
    with localcontext(_PRECISION):
        value = total / count
        spread = max(squares - total * value, Decimal(0)) / (count - 1)
        width = _student(int(count) - 1) * (spread / count).sqrt()
        return _bounds(value - width, value + width)


def ranks(count: int, share_: float) -> tuple[int, int] | None:
    """The ranks, from 1, of the values that enclose the percentile; None where there are too few on one side."""
    width = float(_Z) * math.sqrt(count * share_ * (1 - share_))
    first, last = math.floor(count * share_ - width), math.ceil(count * share_ + width) + 1
    return (first, last) if first >= 1 and last <= count else None


def _student(freedom: int) -> Decimal:
    """Student's quantile, 2.5 % above: the expansion of Cornish and Fisher, right to 0.1 % from 9 degrees on."""
    z, n = _Z, Decimal(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


def _bounds(lower: Decimal, upper: Decimal) -> Bounds:
    return Bounds(lower=lower.quantize(decimals.PLACES), upper=upper.quantize(decimals.PLACES))
