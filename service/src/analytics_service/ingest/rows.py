"""A record of a file becomes a row of `traces`, or a reason with line and field why it cannot. Pure.

A row that passes here is never refused by the table: COPY would refuse the whole batch of a bad one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from analytics_service.ingest.conventions import CONVENTIONS, TELLING, Convention, convention
from analytics_service.ingest.fields import (
    API_KEY_ALIAS,
    END_TIME,
    FIRST_TOKEN_TIME,
    GATEWAY_CACHE_HIT,
    OFFSET,
    SPEND,
    USAGE_CONVENTION,
    WEIGHT,
    Field,
)
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.operations import is_request
from analytics_service.ingest.strings import dump_json, load_json
from analytics_service.ingest.times import LATEST
from analytics_service.ingest.usage import UnclearUsage, may_need_normalizing, needs_normalizing, normalize
from analytics_service.ingest.values import COST_LIMIT, LARGEST, Parse, Together
from analytics_service.pricing.columns import PriceStatus

_HELPERS: Final = frozenset({END_TIME, FIRST_TOKEN_TIME, SPEND, GATEWAY_CACHE_HIT, USAGE_CONVENTION, API_KEY_ALIAS})

USAGE_UNCLEAR: Final = "usage_unclear"
"""The attribute that says why counts of tokens contradict one another."""

SpanRow = dict[str, Any]
"""By column of the table; absent columns are NULL."""


_ABSENT: Final = (None, "")
_TEXTS: Final = frozenset({str, type(None)})


class BadRow(ValueError):
    """Why a record cannot be stored: `field: reason`."""


class UnknownField(BadRow):
    """A record has a key that nothing explains."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: is unknown: give --map {name}=FIELD or --ignore {name}")
        self.name = name


class Fields(NamedTuple):
    """What a record has."""

    of: tuple[Field, ...]
    """The same tuple for records that have the same fields."""
    values: Sequence[Any]


def parsed(fields: Fields) -> SpanRow:
    """What a record gives; empty values count as absent. BadRow with the field and the reason."""
    given: SpanRow = {}
    for field, value in zip(*fields, strict=True):
        if value is None or value == "":
            continue
        try:
            given[field.column] = field.parse(value)
        except ValueError as error:
            raise BadRow(f"{field.name}: {error}") from None
    return given


def parsed_together(of: Sequence[Field], records: Sequence[Sequence[Any]]) -> list[SpanRow]:
    """What `parsed` makes of each of these records, column by column; ValueError where it would refuse any of them."""
    if not of:
        return [{} for _ in records]
    columns = [_column(field.parse, values) for field, values in zip(of, zip(*records, strict=True), strict=True)]
    names = [field.column for field in of]
    if any(None in column for column in columns):
        return [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for values in zip(*columns, strict=True)
        ]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(parse: Parse, values: Sequence[Any]) -> Sequence[object]:
    """The parsed values of a column, None for those that are absent; texts that come again are parsed once."""
    types = set(map(type, values))
    if len(types) == 1 and isinstance(parse, Together) and "" not in values:
        many = parse.many(values)
        if many is not None:
            return many
    if _TEXTS.issuperset(types):
        texts = set(values)
        if 2 * len(texts) < len(values):
            known = {text: parse(text) for text in texts if text}
            return list(map(known.get, values))
        if texts.isdisjoint(_ABSENT):
            return list(map(parse, values))
    return [None if value is None or value == "" else parse(value) for value in values]


class Maker:
    """Makes the rows of records with the same fields: what these may need is decided once for all of them."""

    def __init__(self, of: Sequence[Field], how: Columns, horizon: datetime | None) -> None:
        columns = {field.column for field in of} | how.base.keys()
        self._how = how
        self._horizon = horizon
        self._has_counts = may_need_normalizing(columns)
        self._is_relative = OFFSET in columns
        self._has_helpers = not columns.isdisjoint(_HELPERS)
        self._has_weight = WEIGHT in columns

    def row(self, given: SpanRow, fields: Fields) -> SpanRow:
        """The row of a record of which `given` was parsed, with the ids that it came with; BadRow where it is none."""
        span: SpanRow = {**self._how.base, **given}
        if self._has_counts and needs_normalizing(span):
            _normalize(span, fields, self._how)
        if self._is_relative and OFFSET in span:
            _take_offset(span, span.pop(OFFSET), self._how)
        if "org_id" not in span or "ts" not in span:
            raise BadRow(f"{'ts' if 'org_id' in span else 'org_id'}: is missing")
        if self._has_helpers:
            _take_helpers(span)
        if self._has_weight:
            _check_sum(span)
        _complete(span)
        if self._horizon is not None and span["ts"] < self._horizon:
            raise BadRow(
                f"ts: is before {self._horizon:%Y-%m-%d}, where single requests are no longer kept: "
                "see RETENTION_RAW_DAYS"
            )
        return span


def row(given: SpanRow, fields: Fields, how: Columns, horizon: datetime | None) -> SpanRow:
    """As `Maker.row`, of one record."""
    return Maker(fields.of, how, horizon).row(given, fields)


def _complete(span: SpanRow) -> None:
    """What follows from other columns."""
    if "is_request" not in span:
        has_model_or_tokens = bool(span["model"]) or "prompt_tokens" in span or "completion_tokens" in span
        span["is_request"] = is_request(span["operation_type"], has_model_or_tokens=has_model_or_tokens)
    if "total_tokens" not in span and "prompt_tokens" in span:
        span["total_tokens"] = total = span["prompt_tokens"] + span.get("completion_tokens", 0)
        if total > LARGEST:
            raise BadRow(f"total_tokens: the sum is more than {LARGEST}")
    if "prompt_cost_usd" in span and "completion_cost_usd" in span and "total_cost_usd" not in span:
        span["total_cost_usd"] = span["prompt_cost_usd"] + span["completion_cost_usd"]
        if span["total_cost_usd"] >= COST_LIMIT:
            raise BadRow(f"total_cost_usd: the sum is not below {COST_LIMIT}")


def _check_sum(span: SpanRow) -> None:
    """A sum of many requests has no time of its own: whether it is their sum or their mean, nothing tells."""
    for column in ("duration_us", "ttft_us") if span.get(WEIGHT, 1) > 1 else ():
        if column in span:
            raise BadRow(f"{column}: a row of {span[WEIGHT]} requests has none: give --ignore with its column")


def _take_offset(span: SpanRow, microseconds: int, how: Columns) -> None:
    if how.start is None:
        raise BadRow("ts: is relative: give --start with the time of the first request")
    try:
        span["ts"] = how.start + timedelta(microseconds=microseconds)
    except OverflowError:
        raise BadRow("ts: is not between 1970 and 2200") from None
    if span["ts"] >= LATEST:
        raise BadRow("ts: is not between 1970 and 2200")


def _take_helpers(span: SpanRow) -> None:
    """Makes columns of fields that are none."""
    for name, column in ((END_TIME, "duration_us"), (FIRST_TOKEN_TIME, "ttft_us")):
        moment = span.pop(name, None)
        if moment is not None:
            if moment < span["ts"]:
                raise BadRow(f"{name}: is before the time of the start")
            passed = moment - span["ts"]
            span.setdefault(column, (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)
    span.pop(USAGE_CONVENTION, None)
    spend, free = span.pop(SPEND, None), span.pop(GATEWAY_CACHE_HIT, False)
    if spend or (spend is not None and free):
        span.setdefault("total_cost_usd", spend)
    alias = span.pop(API_KEY_ALIAS, None)
    if alias:
        known = load_json(span["attributes"]) if "attributes" in span else {}
        span["attributes"] = dump_json({API_KEY_ALIAS: alias, **known}, sort_keys=True)


def _normalize(span: SpanRow, fields: Fields, how: Columns) -> None:
    """Usage that contradicts itself is kept as it came, without a price, and says why in its attributes."""
    usage = how.usage or span.get(USAGE_CONVENTION)
    try:
        normalize(span, CONVENTIONS[usage] if usage else _convention(fields))
    except UnclearUsage as error:
        span["price_status"] = PriceStatus.NONE.value
        known = load_json(span["attributes"]) if "attributes" in span else {}
        span["attributes"] = dump_json({**known, USAGE_UNCLEAR: str(error)})


def _convention(fields: Fields) -> Convention:
    """The one that the fields with a value tell."""
    names = [fields.of[each].name for each in _telling(fields.of) if fields.values[each] not in _ABSENT]
    return convention(frozenset(names))


@lru_cache(maxsize=1_000)
def _telling(of: tuple[Field, ...]) -> tuple[int, ...]:
    """The positions of the fields whose names may tell how the emitter counts."""
    return tuple(position for position, field in enumerate(of) if field.name in TELLING)
