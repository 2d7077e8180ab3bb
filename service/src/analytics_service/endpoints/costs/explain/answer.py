"""Makes the explanation: the change of all costs, and of those of each value, by its own requests."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.costs.dimensions import CostDimension
from analytics_service.endpoints.costs.explain import decomposition
from analytics_service.endpoints.costs.explain.decomposition import Model, RatesByModel
from analytics_service.endpoints.costs.explain.factors import ModelUsage, Part
from analytics_service.endpoints.costs.explain.parameters import ExplainParameters
from analytics_service.endpoints.costs.explain.statement import AFTER, BEFORE, KEYS, MAX_MODELS
from analytics_service.pricing.genai import PriceList
from analytics_service.pricing.rates import COMPLETION, PROMPT
from analytics_service.pricing.sources import Lookup
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

OTHER: Final = "other"
_KINDS: Final = {**PROMPT, **COMPLETION}
_NONE: Final = ModelUsage()
_PRICES: Final = PriceList()


class ExplanationMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    compare_start_time: datetime
    compare_end_time: datetime
    method: Literal["shapley"]
    """Each part is the Shapley value of its factor: the mean of its effect over all orders of the factors."""
    dimension: CostDimension | None
    values_overlap: bool
    """A request may have several values, as tags: their changes add up to more, and there is no `other`."""
    models_without_rates: int
    """Whose tokens of caches and other kinds have no known rates: what these change is in the part `price`."""
    data_source: str
    currency: str


class PeriodCost(TypedDict):
    cost: Number
    requests: Number
    unpriced_requests: Number
    """Without a cost, or with one that is a lower bound."""
    tokens: Number


class ChangeParts(TypedDict):
    """US dollars; they add up to the change."""

    volume: Number
    """There were more or fewer requests."""
    model_mix: Number
    """Other models, or tiers of them, had a larger share of the requests."""
    coverage: Number
    """Another share of the requests has a cost."""
    tokens_per_request: Number
    token_kinds: Number
    """Prompt, completion, reasoning and audio had other shares of the tokens."""
    cache: Number
    """More or fewer tokens of the prompt were read from a cache, or written to one."""
    price: Number
    """The same tokens cost more or less; the remainder of rounding too."""
    other_charges: Number
    """What is charged beside tokens, as web searches and images, by request."""


class ChangedCost(TypedDict):
    before: PeriodCost
    after: PeriodCost
    change: Number
    change_percentage: Number | None
    """Null where there were no costs before."""
    parts: ChangeParts


class ChangedValue(ChangedCost):
    dimension_value: str | None
    """Null of the requests without one; `other` where `is_other` is true."""
    is_other: bool
    """All values beyond `limit` together; it is the last item."""


class Explanation(TypedDict):
    metadata: ExplanationMetadata
    total: ChangedCost
    items: list[ChangedValue] | None
    """Those that changed the most first, each explained by its own requests; null without `dimension`."""


_Periods: TypeAlias = dict[str, dict[Model, Row]]
"""Rows by period and model."""


def answer(params: ExplainParameters, rows: Sequence[Row]) -> Answer:
    if len(rows) > MAX_MODELS:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"more than {MAX_MODELS} models by period and value: ask with a filter, or for a smaller limit",
            field="model" if params.dimension is None else "limit",
        )
    groups: dict[int | None, _Periods] = defaultdict(lambda: {BEFORE: {}, AFTER: {}})
    names: dict[int | None, str | None] = {None: OTHER}
    for row in rows:
        if row["period"] is not None:
            groups[row["position"]][row["period"]][_model(row)] = row
            names.setdefault(row["position"], row["value"])
    complete = groups.pop(0, {BEFORE: {}, AFTER: {}})
    rates = _rates(params, complete)
    every = [row for models in complete.values() for row in models.values()]
    return Answer(
        data={
            "metadata": _metadata(params, sum(each is None for each in rates.values())),
            "total": changed(complete, rates),
            "items": None if params.dimension is None else list(_items(groups, names, rates)),
        },
        source=params.source.level,
        watermark=rows[0]["watermark"],
        incomplete=below_retention(rows[0], IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION),
        coverage=Coverage.of(_total(every, "unpriced"), _total(every, "unpriced_tokens")),
    )


def _metadata(params: ExplainParameters, models_without_rates: int) -> ExplanationMetadata:
    return ExplanationMetadata(
        start_time=params.after.start,
        end_time=params.after.end,
        compare_start_time=params.before.start,
        compare_end_time=params.before.end,
        method="shapley",
        dimension=params.dimension,
        values_overlap=params.dimension is not None and params.dimension.overlaps,
        models_without_rates=models_without_rates,
        data_source=params.source.level,
        currency="USD",
    )


def _rates(params: ExplainParameters, periods: _Periods) -> RatesByModel:
    """Of the models that used tokens of several kinds; the same in both periods: else a new price would look as if
    caches had been used otherwise.
    """
    used = {
        model: None
        for models in periods.values()
        for model, row in models.items()
        if any(row[column] for column in _KINDS)
    }
    tiers = {model: _PRICES.tiers(Lookup("", *model, params.after.start)) for model in used}
    return {model: None if tier is None else tier.at(0) for model, tier in tiers.items()}


def _items(
    groups: Mapping[int | None, _Periods], names: Mapping[int | None, str | None], rates: RatesByModel
) -> Iterator[dict[str, Any]]:
    for position in sorted(groups, key=lambda position: (position is None, position or 0)):
        yield {
            "dimension_value": names[position],
            "is_other": position is None,
            **changed(groups[position], rates),
        }


def changed(periods: _Periods, rates: RatesByModel) -> ChangedCost:
    before, after = (list(periods[period].values()) for period in (BEFORE, AFTER))
    cost_before, cost_after = _total(before, "cost"), _total(after, "cost")
    return ChangedCost(
        before=_period(before),
        after=_period(after),
        change=decimals.difference(cost_after, cost_before),
        change_percentage=decimals.change(cost_before, cost_after),
        parts=_parts(periods, rates),
    )


def _period(rows: Sequence[Row]) -> PeriodCost:
    return PeriodCost(
        cost=_total(rows, "cost"),
        requests=_total(rows, "requests"),
        unpriced_requests=_total(rows, "unpriced"),
        tokens=_total(rows, "tokens"),
    )


def _parts(periods: _Periods, rates: RatesByModel) -> ChangeParts:
    usages = {period: {model: _usage(row) for model, row in periods[period].items()} for period in (BEFORE, AFTER)}
    pairs = {
        model: (usages[BEFORE].get(model, _NONE), usages[AFTER].get(model, _NONE))
        for model in usages[BEFORE] | usages[AFTER]
    }
    parts = decomposition.parts(pairs, rates)
    return ChangeParts(
        volume=parts[Part.VOLUME],
        model_mix=parts[Part.MODEL_MIX],
        coverage=parts[Part.COVERAGE],
        tokens_per_request=parts[Part.TOKENS_PER_REQUEST],
        token_kinds=parts[Part.TOKEN_KINDS],
        cache=parts[Part.CACHE],
        price=parts[Part.PRICE],
        other_charges=parts[Part.OTHER_CHARGES],
    )


def _usage(row: Row) -> ModelUsage:
    return ModelUsage(
        requests=sum_of(row, "requests"),
        priced=sum_of(row, "priced"),
        cost=sum_of(row, "cost"),
        prompt_cost=sum_of(row, "prompt_cost"),
        completion_cost=sum_of(row, "completion_cost"),
        prompt_tokens=sum_of(row, "prompt_tokens"),
        completion_tokens=sum_of(row, "completion_tokens"),
        total_tokens=sum_of(row, "total_tokens"),
        kinds={kind: sum_of(row, column) for column, kind in _KINDS.items()},
    )


def _model(row: Row) -> Model:
    provider, model, service_tier = (row[key] for key in KEYS)
    return provider, model, service_tier


def _total(rows: Sequence[Row], column: str) -> Decimal:
    return decimals.total(sum_of(row, column) for row in rows)
