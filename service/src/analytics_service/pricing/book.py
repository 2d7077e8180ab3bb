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
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import override

from analytics_service.pricing.book_entries import MAX_NAME, BookContent, Entry
from analytics_service.pricing.model_names import references
from analytics_service.pricing.rates import Tiers
from analytics_service.pricing.sources import Lookup, make_room
from analytics_service.pricing.yaml_lines import NotReadable, Path, line_of, load


class BadBook(ValueError):
    """Every reason, `line N: field: why`."""


class PriceBook:
    """Its entry for a model, an organisation's own and the most exact name first."""

    def __init__(self, file: BookContent, digest: str) -> None:
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

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return PriceBook, (self._file, self.digest)

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
        return all(entry.is_constant for entry, _ in ranked)

    def _ranked(self, provider: str, model: str) -> list[tuple[Entry, Tiers]]:
        """The entries of a model, found once: an organisation's own first, exact names before long patterns, entries
        that name the provider before others.
        """
        if (provider, model) not in self._ranks:
            make_room(self._ranks)
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
        file = BookContent.model_validate(value)
    except ValidationError as error:
        raise BadBook("\n".join(_reason(each["loc"], _message(each), lines) for each in error.errors())) from None
    if reasons := list(_contradictions(file, lines)):
        raise BadBook("\n".join(reasons))
    digest = hashlib.sha256(file.model_dump_json(by_alias=True).encode()).hexdigest()
    return PriceBook(file, digest[:12])


def _message(error: ErrorDetails) -> str:
    return "is no mapping of names to values" if error["type"] == "model_type" else error["msg"]


def _reason(path: Path, message: str, lines: Mapping[Path, int]) -> str:
    field = ".".join(str(part) for part in path if part != "[key]")
    return f"line {line_of(path, lines)}: {field or 'the file'}: {message.removeprefix('Value error, ')}"


def _contradictions(file: BookContent, lines: Mapping[Path, int]) -> Iterator[str]:
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
