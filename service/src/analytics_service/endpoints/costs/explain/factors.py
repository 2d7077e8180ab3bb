"""The factors whose product is the cost of a model in a period, in both of two periods. Pure.

With tokens by side, the prompt's and the completion's costs are each

    requests x share of the model x share with a cost x tokens a request x share of the side x cache x price

and what is charged beside tokens is the first three times an amount a request. Where a factor is not defined in one
period, as the price of a model that was not used, it is that of the other period: so it explains nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from analytics_service.endpoints.costs.explain.shapley import Factor
from analytics_service.pricing.rates import COMPLETION, PROMPT, Kind, Rates

_ZERO, _ONE = Decimal(0), Decimal(1)
_CACHE: Final = frozenset({Kind.CACHE_READ, Kind.CACHE_WRITE_5M, Kind.CACHE_WRITE_1H})


class Part(StrEnum):
    """Of the change of a cost; the value is the name that clients see."""

    VOLUME = "volume"
    MODEL_MIX = "model_mix"
    COVERAGE = "coverage"
    TOKENS_PER_REQUEST = "tokens_per_request"
    TOKEN_KINDS = "token_kinds"  # noqa: S105 - tokens of a model
    CACHE = "cache"
    PRICE = "price"
    OTHER_CHARGES = "other_charges"


Product = Mapping[Part, Factor]


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """What one model was used for and cost in a period; tokens are those of requests with a cost."""

    requests: Decimal = _ZERO
    priced: Decimal = _ZERO
    cost: Decimal = _ZERO
    prompt_cost: Decimal = _ZERO
    completion_cost: Decimal = _ZERO
    prompt_tokens: Decimal = _ZERO
    completion_tokens: Decimal = _ZERO
    total_tokens: Decimal = _ZERO
    """As requests give them, also without the tokens of each side."""
    kinds: Mapping[Kind, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    """Tokens that are charged by themselves, as parts of the tokens of their side."""

    @property
    def tokens_of_sides(self) -> Decimal:
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost_beside_tokens(self) -> Decimal:
        return self.cost - self.prompt_cost - self.completion_cost

    @property
    def has_sides(self) -> bool:
        """Whether the costs of tokens are known by side, with the tokens that they are for."""
        if self.cost and not (self.prompt_cost or self.completion_cost):
            return False
        sides = ((self.prompt_cost, self.prompt_tokens), (self.completion_cost, self.completion_tokens))
        return self.tokens_of_sides > 0 and all(tokens or not cost for cost, tokens in sides)


def products(before: ModelUsage, after: ModelUsage, volume: Factor, rates: Rates | None) -> Iterator[Product]:
    """Products whose sums are the cost of the model in each period; `volume` is the requests of all models.

    `rates` say how much less a token from a cache costs than another one, None where nobody knows: then what a cache
    changes is in the price.
    """
    priced = [usage for usage in (before, after) if usage.priced]
    if not priced:
        return

    def per(amount: Callable[[ModelUsage], Decimal], unit: Callable[[ModelUsage], Decimal]) -> Factor:
        return _factor(*(_ratio(amount(usage), unit(usage)) for usage in (before, after)))

    def per_request(amount: Callable[[ModelUsage], Decimal]) -> Factor:
        return per(amount, lambda usage: usage.priced)

    shared = {
        Part.VOLUME: volume,
        Part.MODEL_MIX: _factor(_ratio(before.requests, volume.before), _ratio(after.requests, volume.after)),
        Part.COVERAGE: per(lambda usage: usage.priced, lambda usage: usage.requests),
    }
    if all(usage.has_sides for usage in priced):
        tokens = {Part.TOKENS_PER_REQUEST: per_request(lambda usage: usage.tokens_of_sides)}
        for prompt in (True, False):
            sides = [_side(usage, rates, prompt=prompt) for usage in (before, after)]
            yield {**shared, **tokens, **{part: _factor(*(side[part] for side in sides)) for part in _OF_SIDE}}
        yield {**shared, Part.OTHER_CHARGES: per_request(lambda usage: usage.cost_beside_tokens)}
    elif all(usage.total_tokens for usage in priced):
        price = per(lambda usage: usage.cost, lambda usage: usage.total_tokens)
        yield {**shared, Part.TOKENS_PER_REQUEST: per_request(lambda usage: usage.total_tokens), Part.PRICE: price}
    else:
        yield {**shared, Part.PRICE: per_request(lambda usage: usage.cost)}


_OF_SIDE: Final = (Part.TOKEN_KINDS, Part.CACHE, Part.PRICE)


def _side(usage: ModelUsage, rates: Rates | None, *, prompt: bool) -> dict[Part, Decimal | None]:
    """Tokens of dearer or cheaper kinds count for as many of the base kind of their side as they cost."""
    tokens, cost = (
        (usage.prompt_tokens, usage.prompt_cost) if prompt else (usage.completion_tokens, usage.completion_cost)
    )
    every_kind, cache = _weights(usage, tokens, rates, prompt=prompt)
    return {
        Part.TOKEN_KINDS: _ratio(tokens * every_kind / cache, usage.tokens_of_sides),
        Part.CACHE: cache if tokens else None,
        Part.PRICE: _ratio(cost, tokens * every_kind),
    }


def _weights(usage: ModelUsage, tokens: Decimal, rates: Rates | None, *, prompt: bool) -> tuple[Decimal, Decimal]:
    """How many tokens of the base kind a mean one counts for by all of its kinds, and by those of caches alone."""
    base = rates.of.get(Kind.INPUT if prompt else Kind.OUTPUT) if rates else None
    if rates is None or not base or not tokens:
        return _ONE, _ONE
    every_kind = cache = _ONE
    for kind in (PROMPT if prompt else COMPLETION).values():
        share = usage.kinds.get(kind, _ZERO) / tokens
        difference = share * (rates.of.get(kind, base) / base - 1)
        every_kind += difference
        cache += difference if kind in _CACHE else 0
    if every_kind <= 0 or cache <= 0:  # counts that contradict one another
        return _ONE, _ONE
    return every_kind, cache


def _ratio(dividend: Decimal, divisor: Decimal) -> Decimal | None:
    return dividend / divisor if divisor else None


def _factor(before: Decimal | None, after: Decimal | None) -> Factor:
    one = before if before is not None else after
    other = after if after is not None else before
    return Factor(_ONE if one is None else one, _ONE if other is None else other)
