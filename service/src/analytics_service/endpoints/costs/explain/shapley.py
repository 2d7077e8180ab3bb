"""The Shapley value of each factor of a product that changed: its share of the change, whatever the order. Pure.

A factor that changes before the others moves the product by another amount than one that changes after them. Its
Shapley value is the mean over all orders, so none is preferred, and the values add up to the change.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import factorial
from typing import NamedTuple, TypeVar

K = TypeVar("K")


class Factor(NamedTuple):
    before: Decimal
    after: Decimal


def values(product: Mapping[K, Factor]) -> dict[K, Decimal]:
    """By factor, as exact as the precision of the current decimal context; a factor that did not change has none."""
    changed = {name: factor for name, factor in product.items() if factor.before != factor.after}
    constant = Decimal(1)
    for name, factor in product.items():
        if name not in changed:
            constant *= factor.before
    orders = factorial(len(changed))
    return {
        name: (factor.after - factor.before)
        * _sum_over_orders([other for each, other in changed.items() if each != name])
        * constant
        / orders
        for name, factor in changed.items()
    }


def _sum_over_orders(others: Sequence[Factor]) -> Decimal:
    """The product of the others, added up over all orders: in each, those that stand before the factor have changed."""
    count = len(others)
    return sum(
        (factorial(k) * factorial(count - k) * term for k, term in enumerate(_by_number_changed(others))), Decimal(0)
    )


def _by_number_changed(factors: Iterable[Factor]) -> list[Decimal]:
    """Item k is the sum of the products in which k factors have changed."""
    sums = [Decimal(1)]
    for before, after in factors:
        unchanged = [each * before for each in sums]
        changed = [each * after for each in sums]
        sums = [one + other for one, other in zip([*unchanged, Decimal(0)], [Decimal(0), *changed], strict=True)]
    return sums
