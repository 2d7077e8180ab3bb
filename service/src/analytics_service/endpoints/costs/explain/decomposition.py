"""The change of costs as a sum of parts (docs/decisions/0045). Pure."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Final, TypeAlias

from analytics_service.endpoints.costs.explain import factors, shapley
from analytics_service.endpoints.costs.explain.factors import ModelUsage, Part
from analytics_service.endpoints.costs.explain.shapley import Factor
from analytics_service.pricing.rates import Rates
from analytics_service.units import decimals

Model: TypeAlias = tuple[str, str, str]
"""Provider, model and service tier: what has a price of its own."""
RatesByModel: TypeAlias = Mapping[Model, Rates | None]
_DIGITS: Final = 60
"""Of quotients and products before they are rounded: costs have less than half as many."""


def parts(usages: Mapping[Model, tuple[ModelUsage, ModelUsage]], rates: RatesByModel) -> dict[Part, Decimal]:
    """Every part of the change of the costs of all models from the first period to the second.

    Each is rounded to twelve places, and the price has the remainder: together they are the change, to the last digit.
    """
    with localcontext(prec=_DIGITS):
        volume = Factor(
            sum((before.requests for before, _ in usages.values()), Decimal(0)),
            sum((after.requests for _, after in usages.values()), Decimal(0)),
        )
        exact = dict.fromkeys(Part, Decimal(0))
        for model, (before, after) in usages.items():
            for product in factors.products(before, after, volume, rates.get(model)):
                for part, value in shapley.values(product).items():
                    exact[part] += value
        rounded = {part: decimals.rounded(value) for part, value in exact.items()}
        change = sum((after.cost - before.cost for before, after in usages.values()), Decimal(0))
        rounded[Part.PRICE] += change - sum(rounded.values(), Decimal(0))
        return rounded
