"""The entries of a price book as its file gives them, checked by themselves. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from analytics_service.pricing.columns import service_tier
from analytics_service.pricing.model_names import PROVIDERS
from analytics_service.pricing.rates import Kind, Rates, Tiers, rates
from analytics_service.pricing.sources import Lookup

_MILLION: Final = 1_000_000
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_FALL_BACK: Final = {
    Kind.CACHE_READ: Kind.INPUT,
    Kind.CACHE_WRITE_5M: Kind.INPUT,
    Kind.CACHE_WRITE_1H: Kind.CACHE_WRITE_5M,
    Kind.AUDIO_INPUT: Kind.INPUT,
    Kind.REASONING: Kind.OUTPUT,
    Kind.AUDIO_OUTPUT: Kind.OUTPUT,
}
"""What a kind is charged as where an entry has no price of its own for it."""

TokenKind = Literal[
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "output", "reasoning", "audio_output"
]
UnitKind = Literal["images", "web_searches", "units"]


def _moment(value: Any) -> Any:
    """A day is its midnight, and what names no zone is UTC; a number is neither, which seconds since 1970 would be."""
    try:
        if isinstance(value, datetime):
            moment = value
        elif len(value) > 10:
            moment = datetime.fromisoformat(value)
        else:
            moment = datetime.combine(date.fromisoformat(value), _T0)
    except (TypeError, ValueError):
        raise ValueError("is neither a day nor a time, as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


_T0: Final = _EARLIEST.timetz()
_Moment = Annotated[datetime, BeforeValidator(_moment)]
_Price = Annotated[Decimal, Field(ge=0, lt=10**9, max_digits=40)]
_Rate = Annotated[Decimal, Field(gt=0, lt=10**9, max_digits=40)]
MAX_NAME: Final = 256
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(lambda name: name.strip().lower())]


_Tier = Annotated[str, AfterValidator(service_tier)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Above(_Model):
    """What all tokens of a request cost whose prompt is longer."""

    prompt_tokens: Annotated[int, Field(gt=0, strict=True)]
    per_million: Mapping[TokenKind, _Price]


class Entry(_Model):
    model: _Name
    """Of any case; a `*` at its end stands for whatever follows."""
    provider: Annotated[_Name, AfterValidator(lambda name: PROVIDERS.get(name, name))] | None = None
    """Any where it is absent; so is the next one."""
    organisation: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    service_tier: _Tier = ""
    from_: Annotated[_Moment, Field(alias="from")] = _EARLIEST
    to: _Moment = _LATEST
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    per_million: Mapping[TokenKind, _Price] = Field(default_factory=dict)
    per_unit: Mapping[UnitKind, _Price] = Field(default_factory=dict)
    per_second: _Price | None = None
    """Of audio."""
    per_request: _Price = Decimal(0)
    above: tuple[Above, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for failed, why in (
            (
                not (self.per_million or self.per_unit or self.per_second is not None or self.per_request),
                "has no price: give per_million, per_unit, per_second or per_request",
            ),
            (self.from_ >= self.to, "to is not after from"),
            (
                any(one.prompt_tokens >= other.prompt_tokens for one, other in pairwise(self.above)),
                "above: must ascend",
            ),
            ("*" in self.model[:-1], "model has a * before its end"),
        ):
            if failed:
                raise ValueError(why)
        return self

    @property
    def bounded_start(self) -> bool:
        """Whether it begins at a moment of its own."""
        return self.from_ > _EARLIEST

    @property
    def is_constant(self) -> bool:
        """Whether it is the price of every moment."""
        return (self.from_, self.to) == (_EARLIEST, _LATEST)

    def covers(self, lookup: Lookup) -> bool:
        """Whether it is for that organisation and moment."""
        return self.organisation in {None, lookup.organisation} and self.from_ <= lookup.moment < self.to

    def rates(self, per_million: Mapping[TokenKind, Decimal], dollars: Decimal) -> Rates:
        of = {Kind(kind): price / _MILLION for kind, price in per_million.items()}
        for kind, parent in _FALL_BACK.items():
            if kind not in of and parent in of:
                of[kind] = of[parent]
        of |= {Kind(kind): price for kind, price in self.per_unit.items()}
        if self.per_second is not None:
            of[Kind.AUDIO_SECONDS] = self.per_second
        return rates({kind: price * dollars for kind, price in of.items()}, self.per_request * dollars)

    def tiers(self, dollars: Decimal) -> Tiers:
        bounds = tuple(each.prompt_tokens for each in self.above)
        prices = (self.per_million, *({**self.per_million, **each.per_million} for each in self.above))
        return Tiers(bounds, tuple(self.rates(each, dollars) for each in prices))


class BookContent(_Model):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    currencies: Mapping[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], _Rate] = Field(default_factory=dict)
    """US dollars for one of each."""
    prices: Annotated[tuple[Entry, ...], Field(max_length=10_000)]
