"""What a model charges for each kind of usage, and what a request costs by it, in exact decimals. Pure."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, NamedTuple

PLACES: Final = Decimal("1E-12")
"""Costs are stored with twelve decimal places."""
_CONTEXT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ZERO: Final = Decimal(0)


class Kind(StrEnum):
    """The kinds of usage that are charged by themselves: no request is charged twice for anything."""

    INPUT = "input"
    """Tokens of the prompt that are none of the other kinds."""
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    AUDIO_INPUT = "audio_input"
    OUTPUT = "output"
    """Tokens of the completion that are none of the other kinds."""
    REASONING = "reasoning"
    AUDIO_OUTPUT = "audio_output"
    WEB_SEARCHES = "web_searches"
    IMAGES = "images"
    AUDIO_SECONDS = "audio_seconds"
    UNITS = "units"


PROMPT: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "cached_tokens": Kind.CACHE_READ,
        "cache_write_5m_tokens": Kind.CACHE_WRITE_5M,
        "cache_write_1h_tokens": Kind.CACHE_WRITE_1H,
        "audio_input_tokens": Kind.AUDIO_INPUT,
    }
)
"""By column of `traces`, which parts of the prompt's tokens are charged by themselves."""
COMPLETION: Final[Mapping[str, Kind]] = MappingProxyType(
    {"reasoning_tokens": Kind.REASONING, "audio_output_tokens": Kind.AUDIO_OUTPUT}
)
"""The same of the completion's."""
OTHER: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "web_searches": Kind.WEB_SEARCHES,
        "images": Kind.IMAGES,
        "audio_seconds": Kind.AUDIO_SECONDS,
        "billed_units": Kind.UNITS,
    }
)
"""What is charged beside tokens, or instead of them."""
_PARTS: Final = frozenset({*PROMPT, *COMPLETION, *OTHER})
_INSTEAD: Final = frozenset({Kind.IMAGES, Kind.AUDIO_SECONDS, Kind.UNITS})
"""Without a rate they are no gap where tokens have one: the same request is charged by its tokens then."""


@dataclass(frozen=True)
class Rates:
    """US dollars for one token, image, search, second or unit; a kind that is absent has no price."""

    of: Mapping[Kind, Decimal]
    request: Decimal = _ZERO
    """For each request, whatever it used."""
    open_sides: frozenset[Kind] = frozenset()
    """INPUT or OUTPUT where its tokens may be of a kind that costs more, which rows do not tell."""
    exact: bool = False
    """No rate has more decimal places than costs are stored with, so no product needs rounding."""
    per_token: tuple[Decimal, Decimal] | None = None
    """Of prompt and completion, where nothing else is charged for a request without other kinds of usage."""

    @cached_property
    def prompt(self) -> "Side":
        return self._side(Kind.INPUT, PROMPT)

    @cached_property
    def completion(self) -> "Side":
        return self._side(Kind.OUTPUT, COMPLETION)

    def _side(self, kind: Kind, parts: Mapping[str, Kind]) -> "Side":
        by_column = tuple((column, self.of.get(part)) for column, part in parts.items())
        return Side(self.of.get(kind), by_column, kind in self.open_sides)


class Side(NamedTuple):
    """The rates of the tokens that went in, or of those that came out; None where they have no price."""

    rate: Decimal | None
    parts: tuple[tuple[str, Decimal | None], ...]
    """By column of `traces`."""
    is_open: bool


@dataclass(frozen=True)
class Tiers:
    """The rates of a model by the size of the prompt: crossing a bound changes the rate of all tokens."""

    bounds: tuple[int, ...]
    """Ascending: `rates[n]` is for prompts of more than `bounds[n - 1]` tokens, and at most `bounds[n]`."""
    rates: tuple[Rates, ...]

    def at(self, prompt_tokens: int) -> Rates:
        return self.rates[bisect_left(self.bounds, prompt_tokens)] if self.bounds else self.rates[0]


class Cost(NamedTuple):
    """US dollars, exact to twelve places, half to even."""

    prompt: Decimal | None
    completion: Decimal | None
    total: Decimal
    complete: bool
    """False where something that was used has no price: the total is a lower bound."""


def rates(of: Mapping[Kind, Decimal], request: Decimal = _ZERO) -> Rates:
    exact = all(each == rounded(each) for each in (*of.values(), request))
    plain = exact and not request and Kind.INPUT in of and Kind.OUTPUT in of
    per_token = (of[Kind.INPUT], of[Kind.OUTPUT]) if plain else None
    return Rates(MappingProxyType(dict(of)), request, exact=exact, per_token=per_token)


def cost(row: Mapping[str, Any], charged: Rates) -> Cost | None:
    """The cost of a row of `traces`, whose counts are in the normal form; None where nothing that it used has a price.

    A row without completion tokens is whole where the model charges for none, as embeddings.
    """
    prompt, completion = row.get("prompt_tokens"), row.get("completion_tokens")
    rated = charged.per_token if not charged.open_sides else None
    if rated and prompt is not None and completion is not None and row.keys().isdisjoint(_PARTS):
        of_prompt, of_completion = rated[0] * prompt, rated[1] * completion
        return Cost(of_prompt, of_completion, of_prompt + of_completion, True)
    return _cost(row, charged, prompt, completion)


def _cost(row: Mapping[str, Any], charged: Rates, prompt: int | None, completion: int | None) -> Cost | None:
    of = charged.of
    request = charged.request * row.get("request_weight", 1)
    if not of and charged.request:
        return Cost(None, None, rounded(request), True)
    of_prompt, prompt_known = _side(row, charged.prompt, prompt)
    of_completion, completion_known = _side(row, charged.completion, completion)
    complete = prompt_known and completion_known
    priced = of_prompt is not None or of_completion is not None
    beside, exact = request, charged.exact
    for column, kind in () if row.keys().isdisjoint(OTHER) else OTHER.items():
        if amount := row.get(column):
            if (rate := of.get(kind)) is not None:
                beside += rate * amount
                priced, exact = True, False  # an amount may have decimal places of its own
            elif kind not in _INSTEAD or not priced:
                complete = False
    if not priced:
        return None
    total = (of_prompt or _ZERO) + (of_completion or _ZERO) + beside
    if exact:
        return Cost(of_prompt, of_completion, total, complete)
    return Cost(_rounded(of_prompt), _rounded(of_completion), rounded(total), complete)


def _side(row: Mapping[str, Any], charged: Side, tokens: int | None) -> tuple[Decimal | None, bool]:
    """What the tokens of one side cost, None where none has a price; and whether all of them have one."""
    if tokens is None:
        return None, charged.rate is None
    total, known = None, not (tokens and charged.is_open)
    for column, rate in charged.parts:
        amount = row.get(column)
        if amount:
            tokens -= amount
            if rate is None:
                known = False
            else:
                total = rate * amount if total is None else total + rate * amount
    if charged.rate is None:
        return total, known and not tokens
    own = charged.rate * tokens
    return own if total is None else own + total, known


def rounded(cost: Decimal) -> Decimal:
    """Half to even to the places that costs are stored with."""
    return cost.quantize(PLACES, context=_CONTEXT)


def _rounded(cost: Decimal | None) -> Decimal | None:
    return None if cost is None else rounded(cost)
