"""Trends of costs by day and week. Only complete local days are compared with one another. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from analytics_service.endpoints.costs.days import Day
from analytics_service.units import decimals

WEEK = 7


@dataclass(frozen=True)
class PercentChange:
    """A change in per cent, or the reason why there is none."""

    value: Decimal | None
    reason: str | None = None


def last_change(days: Sequence[Day], *, length: int) -> PercentChange:
    """From the `length` whole days before the last `length` whole days to those."""
    costs = [day.cost for day in days if day.complete]
    if len(costs) < 2 * length:
        return PercentChange(None, f"the range holds {len(costs)} whole days, and {2 * length} are compared")
    return _change(decimals.total(costs[-2 * length : -length]), decimals.total(costs[-length:]))


def _change(before: Decimal, after: Decimal) -> PercentChange:
    if before == 0:
        return PercentChange(None, "there were no costs before")
    return PercentChange(decimals.change(before, after))


def growth(costs: Sequence[Decimal]) -> PercentChange:
    """The slope of the least-squares line through the costs of whole periods, in per cent of their mean."""
    count, total = len(costs), decimals.total(costs)
    if count < 2:
        return PercentChange(None, "the range holds fewer than two whole periods")
    if total == 0:
        return PercentChange(None, "there were no costs")
    # slope = 12 * sum((2i - (n - 1)) * y) / 2 / (n * (n^2 - 1)), in whole numbers until the one division
    moment = decimals.total(decimals.product(2 * index - (count - 1), cost) for index, cost in enumerate(costs))
    return PercentChange(decimals.per_cent(decimals.product(6, moment), decimals.product(count * count - 1, total)))


@dataclass(frozen=True, kw_only=True)
class Week:
    """Begins on a Monday."""

    start: date
    complete: bool
    cost: Decimal
    requests: Decimal
    unpriced: Decimal
    tokens: Decimal


def weeks(days: Sequence[Day]) -> list[Week]:
    """Returns the weeks of the days, in order."""
    found: dict[date, list[Day]] = {}
    for day in days:
        found.setdefault(day.day - timedelta(days=day.day.weekday()), []).append(day)
    return [
        Week(
            start=start,
            complete=len(held) == WEEK and all(day.complete for day in held),
            cost=decimals.total(day.cost for day in held),
            requests=decimals.total(day.requests for day in held),
            unpriced=decimals.total(day.unpriced for day in held),
            tokens=decimals.total(day.tokens for day in held),
        )
        for start, held in found.items()
    ]
