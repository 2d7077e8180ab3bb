"""Which model is the best by a criterion: one whose interval is apart from those of all others, or none. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from typing_extensions import TypedDict

from analytics_service.endpoints.analytics.compare.figures import Figure
from analytics_service.endpoints.analytics.compare.parameters import ComparedMetric
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

MIN_SHARED: Final = 50
"""Per cent of the requests of each model: a common mix of fewer is not what the figures are of."""


class Criterion(StrEnum):
    FASTEST = "fastest_model"
    CHEAPEST = "cheapest_model"
    RELIABLE = "most_reliable_model"
    BEST_RATED = "best_rated_model"


@dataclass(frozen=True, kw_only=True)
class Measure:
    metric: ComparedMetric
    mix: ComparedMetric | None
    """The average that says whether the difference comes of what the models were asked; None: nothing does."""
    higher_is_better: bool = False


MEASURES: Final[Mapping[Criterion, Measure]] = MappingProxyType(
    {
        Criterion.FASTEST: Measure(metric=ComparedMetric.P50_LATENCY_MS, mix=ComparedMetric.AVG_LATENCY_MS),
        Criterion.CHEAPEST: Measure(
            metric=ComparedMetric.AVG_COST_PER_REQUEST, mix=ComparedMetric.AVG_COST_PER_REQUEST
        ),
        Criterion.RELIABLE: Measure(metric=ComparedMetric.ERROR_RATE, mix=ComparedMetric.ERROR_RATE),
        Criterion.BEST_RATED: Measure(metric=ComparedMetric.AVG_FEEDBACK_SCORE, mix=None, higher_is_better=True),
    }
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    provider: str
    model: str
    figures: Mapping[ComparedMetric, Figure]
    """All of them, whichever are shown."""


class Placed(TypedDict):
    provider: str
    model: str
    value: Number | None


class Recommendation(TypedDict):
    criterion: Criterion
    metric: ComparedMetric
    best: Placed
    next: Placed
    difference_percentage: Number | None
    """By which the next differs from the best."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The best by a criterion, or the reason why none is."""

    model: str | None = None
    reason: str | None = None
    recommendation: Recommendation | None = None


def verdict(criterion: Criterion, compared: Sequence[Compared]) -> Verdict:
    """Intervals that are apart differ by chance in fewer than 5 % of samples; those that overlap may differ, too."""
    measure = MEASURES[criterion]
    sign = -1 if measure.higher_is_better else 1
    known = [each for each in compared if each.figures[measure.metric]["interval"] is not None]
    if len(known) < 2:
        return Verdict(reason=f"{measure.metric} has an interval of {len(known)} models, and two are compared")
    best, *others = sorted(known, key=lambda each: sign * _value(each, measure.metric))
    overlapping = next((each for each in others if _overlap(best, each, measure.metric)), None)
    if overlapping is not None:
        return Verdict(reason=f"the intervals of {_name(best)} and {_name(overlapping)} overlap")
    if measure.mix is not None and (reason := _mixed(best, others, measure.mix)) is not None:
        return Verdict(reason=reason)
    return Verdict(
        model=best.model,
        recommendation=Recommendation(
            criterion=criterion,
            metric=measure.metric,
            best=_placed(best, measure.metric),
            next=_placed(others[0], measure.metric),
            difference_percentage=decimals.change(_value(best, measure.metric), _value(others[0], measure.metric)),
        ),
    )


def _mixed(best: Compared, others: Sequence[Compared], metric: ComparedMetric) -> str | None:
    """Why the difference may come of what the models were asked."""
    models = (best, *others)
    mixes = [mix for each in models if (mix := each.figures[metric]["same_mix"]) is not None]
    if len(mixes) < len(models):
        return "no project, environment and operation has requests of all models: they may have been asked other things"
    for each, mix in zip(models, mixes, strict=True):
        if (shared := mix["percentage"] or Decimal(0)) < MIN_SHARED:
            return (
                f"of the requests of {_name(each)}, {shared:.1f} % are of a project, environment and operation that "
                f"all models have, and {MIN_SHARED} % are needed"
            )
    even = [mix["value"] for mix in mixes]
    if even[0] >= min(even[1:]):
        return f"with the same mix of projects, environments and operations {metric} of {_name(best)} is not the lowest"
    return None


def _overlap(one: Compared, other: Compared, metric: ComparedMetric) -> bool:
    first, second = one.figures[metric]["interval"], other.figures[metric]["interval"]
    return first is None or second is None or (first["lower"] <= second["upper"] and second["lower"] <= first["upper"])


def _value(one: Compared, metric: ComparedMetric) -> Decimal:
    return one.figures[metric]["value"] or Decimal(0)


def _name(one: Compared) -> str:
    return f"{one.provider}/{one.model}" if one.provider else one.model


def _placed(one: Compared, metric: ComparedMetric) -> Placed:
    return Placed(provider=one.provider, model=one.model, value=one.figures[metric]["value"])
