"""A price book of one's own: a YAML or JSON file with prices by model, provider, organisation, tier and time.

    name: acme
    currencies: {EUR: 1.08}
    prices:
      - model: in-house-*
        from: 2026-01-01
        currency: EUR
        per_million: {input: 0.5, cache_read: 0.05, output: 1.5}
        above: [{prompt_tokens: 200000, per_million: {input: 1, output: 3}}]
      - {model: painter, per_unit: {images: 0.04}, per_request: 0.001}
      - {model: listener, per_second: 0.0001}

`from` is inclusive and `to` exclusive; a day is its midnight in UTC.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from analytics_service.pricing.columns import service_tier
from analytics_service.pricing.model_names import PROVIDERS, references
from analytics_service.pricing.rates import Kind, Rates, Tiers, rates
from analytics_service.pricing.sources import Lookup
from analytics_service.pricing.yaml_lines import NotReadable, Path, line_of, load

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


class BadBook(ValueError):
    """Every reason, `line N: field: why`."""


def _moment(value: Any) -> Any:
    """A day is its midnight, and what names no zone is UTC."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value) if len(value) > 10 else datetime.combine(date.fromisoformat(value), _T0)
    except ValueError:
        raise ValueError("is neither a day nor a time, as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


_T0: Final = _EARLIEST.timetz()
_Moment = Annotated[datetime, BeforeValidator(_moment)]
_Price = Annotated[Decimal, Field(ge=0, lt=10**9, max_digits=40)]
MAX_NAME: Final = 256
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(lambda name: name.strip().lower())]


_Tier = Annotated[str, AfterValidator(service_tier)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Above(_Model):
    """What all tokens of a request cost whose prompt is longer."""

    prompt_tokens: Annotated[int, Field(gt=0)]
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


class _File(_Model):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    currencies: Mapping[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[Decimal, Field(gt=0)]] = Field(
        default_factory=dict
    )
    """US dollars for one of each."""
    prices: Annotated[tuple[Entry, ...], Field(max_length=10_000)]


class PriceBook:
    """Its entry for a model, an organisation's own and the most exact name first."""

    def __init__(self, file: _File, digest: str) -> None:
        self._file = file
        self.digest = digest
        """12 hex digits: of its content, however it is written."""
        self.version = f"book {file.name} {digest}"
        dollars = {"USD": Decimal(1), **file.currencies}
        self._entries: dict[str, list[tuple[Entry, Tiers]]] = defaultdict(list)
        for entry in file.prices:
            self._entries[entry.model].append((entry, entry.tiers(dollars[entry.currency])))
        self._patterns = [name[:-1] for name in self._entries if name.endswith("*")]
        self._ranks: dict[tuple[str, str], list[tuple[Entry, Tiers]]] = {}

    @property
    def name(self) -> str:
        return self._file.name

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self._file.prices

    @property
    def currencies(self) -> Mapping[str, Decimal]:
        """US dollars for one of each."""
        return self._file.currencies

    def of_organisations(self) -> "PriceBook":
        """The entries that name an organisation."""
        return self._part([entry for entry in self.entries if entry.organisation is not None])

    def of_all(self) -> "PriceBook":
        """The entries that name none."""
        return self._part([entry for entry in self.entries if entry.organisation is None])

    def _part(self, entries: Sequence[Entry]) -> "PriceBook":
        return PriceBook(self._file.model_copy(update={"prices": tuple(entries)}), self.digest)

    def knows(self, lookup: Lookup) -> bool:
        return any(entry.covers(lookup) for entry, _ in self._ranked(lookup.provider, lookup.model))

    def tiers(self, lookup: Lookup) -> Tiers | None:
        ranked = self._ranked(lookup.provider, lookup.model)
        tier = lookup.service_tier
        return next((tiers for entry, tiers in ranked if entry.service_tier == tier and entry.covers(lookup)), None)

    def is_constant(self, lookup: Lookup) -> bool:
        ranked = self._ranked(lookup.provider, lookup.model)
        return all((entry.from_, entry.to) == (_EARLIEST, _LATEST) for entry, _ in ranked)

    def _ranked(self, provider: str, model: str) -> list[tuple[Entry, Tiers]]:
        """The entries of a model, found once: an organisation's own first, exact names before long patterns, entries
        that name the provider before others.
        """
        if (provider, model) not in self._ranks:
            ranks = []
            for number, (owner, name) in enumerate(references(provider, model)):
                for known in self._names(name):
                    exact = len(known) if known.endswith("*") else MAX_NAME + 1
                    ranks += [
                        ((entry.organisation is not None, exact, entry.provider is not None, -number), (entry, tiers))
                        for entry, tiers in self._entries[known]
                        if entry.provider in {None, owner}
                    ]
            ranks.sort(key=itemgetter(0), reverse=True)
            self._ranks[provider, model] = [ranked for _, ranked in ranks]
        return self._ranks[provider, model]

    def _names(self, model: str) -> Iterator[str]:
        if model in self._entries:
            yield model
        yield from (f"{each}*" for each in self._patterns if model.startswith(each))


def read(text: str) -> PriceBook:
    """The book; BadBook with a line for each thing that is wrong with it."""
    try:
        value, lines = load(text)
    except NotReadable as error:
        raise BadBook(str(error)) from None
    try:
        file = _File.model_validate(value)
    except ValidationError as error:
        raise BadBook("\n".join(_reason(each["loc"], each["msg"], lines) for each in error.errors())) from None
    if reasons := list(_contradictions(file, lines)):
        raise BadBook("\n".join(reasons))
    digest = hashlib.sha256(file.model_dump_json(by_alias=True).encode()).hexdigest()
    return PriceBook(file, digest[:12])


def _reason(path: Path, message: str, lines: Mapping[Path, int]) -> str:
    field = ".".join(str(part) for part in path if part != "[key]")
    return f"line {line_of(path, lines)}: {field or 'the file'}: {message.removeprefix('Value error, ')}"


def _contradictions(file: _File, lines: Mapping[Path, int]) -> Iterator[str]:
    by_key: dict[tuple[str | None, ...], list[tuple[datetime, datetime, int]]] = defaultdict(list)
    if "USD" in file.currencies:
        yield _reason(("currencies", "USD"), "is what the others are measured in", lines)
    if not file.prices:
        yield _reason(("prices",), "is empty", lines)
    for number, entry in enumerate(file.prices):
        path: Path = ("prices", number)
        if entry.currency not in {"USD", *file.currencies}:
            yield _reason((*path, "currency"), f"{entry.currency} is not among currencies: give its rate", lines)
        key = (entry.organisation, entry.provider, entry.model, entry.service_tier)
        by_key[key].append((entry.from_, entry.to, number))
    for spans in by_key.values():
        for (_, end, one), (start, _, other) in pairwise(sorted(spans)):
            if start < end:
                first, second = (line_of(("prices", number), lines) for number in (one, other))
                model = file.prices[one].model
                yield f"line {second}: {model}: has two prices from {start:%Y-%m-%d %H:%M}: see line {first}"
