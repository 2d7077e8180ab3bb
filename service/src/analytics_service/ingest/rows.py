"""A record of a file becomes a row of `traces`, or a reason with line and field why it cannot. Pure.

A row that passes here is never refused by the table: COPY would refuse the whole batch of a bad one.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from analytics_service.ingest.fields import (
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
from analytics_service.ingest.usage import CONVENTIONS, UnclearUsage, convention, needs_normalizing, normalize
from analytics_service.ingest.values import COST_LIMIT, LARGEST
from analytics_service.pricing.columns import PriceStatus

_HELPERS: Final = frozenset({END_TIME, FIRST_TOKEN_TIME, SPEND, GATEWAY_CACHE_HIT, USAGE_CONVENTION})

USAGE_UNCLEAR: Final = "usage_unclear"
"""The attribute that says why counts of tokens contradict one another."""

SpanRow = dict[str, Any]
"""By column of the table; absent columns are NULL."""


class BadRow(ValueError):
    """Why a record cannot be stored: `field: reason`."""


def parsed(fields: Iterable[tuple[Field, Any]]) -> SpanRow:
    """What a record gives; empty values count as absent. BadRow with the field and the reason."""
    given: SpanRow = {}
    for field, value in fields:
        if value is None or value == "":
            continue
        try:
            given[field.column] = field.parse(value)
        except ValueError as error:
            raise BadRow(f"{field.name}: {error}") from None
    return given


def row(given: SpanRow, fields: Sequence[tuple[Field, Any]], how: Columns, horizon: datetime | None) -> SpanRow:
    """The row of a record of which `given` was parsed, with the ids that it came with."""
    span: SpanRow = {**how.base, **given}
    if needs_normalizing(span):
        _normalize(span, fields, how)
    _complete(span, how)
    if horizon is not None and span["ts"] < horizon:
        raise BadRow(
            f"ts: is before {horizon:%Y-%m-%d}, where single requests are no longer kept: see RETENTION_RAW_DAYS"
        )
    return span


def _complete(span: SpanRow, how: Columns) -> None:
    if OFFSET in span:
        _take_offset(span, span.pop(OFFSET), how)
    for needed in ("org_id", "ts"):
        if needed not in span:
            raise BadRow(f"{needed}: is missing")
    if not span.keys().isdisjoint(_HELPERS):
        _take_helpers(span)
    _check_sum(span)
    if "is_request" not in span:
        has_model_or_tokens = bool(span["model"]) or "prompt_tokens" in span or "completion_tokens" in span
        span["is_request"] = is_request(span["operation_type"], has_model_or_tokens=has_model_or_tokens)
    if "total_tokens" not in span and "prompt_tokens" in span:
        span["total_tokens"] = span["prompt_tokens"] + span.get("completion_tokens", 0)
        if span["total_tokens"] > LARGEST:
            raise BadRow(f"total_tokens: the sum is more than {LARGEST}")
    if "total_cost_usd" not in span and "prompt_cost_usd" in span and "completion_cost_usd" in span:
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
            span.setdefault(column, (moment - span["ts"]) // timedelta(microseconds=1))
    span.pop(USAGE_CONVENTION, None)
    spend, free = span.pop(SPEND, None), span.pop(GATEWAY_CACHE_HIT, False)
    if spend or (spend is not None and free):
        span.setdefault("total_cost_usd", spend)


def _normalize(span: SpanRow, fields: Sequence[tuple[Field, Any]], how: Columns) -> None:
    """Usage that contradicts itself is kept as it came, without a price, and says why in its attributes."""
    names = (field.name for field, value in fields if value is not None and value != "")
    usage = how.usage or span.get(USAGE_CONVENTION)
    try:
        normalize(span, CONVENTIONS[usage] if usage else convention(frozenset(names)))
    except UnclearUsage as error:
        span["price_status"] = PriceStatus.NONE.value
        known = load_json(span["attributes"]) if "attributes" in span else {}
        span["attributes"] = dump_json({**known, USAGE_UNCLEAR: str(error)})


def of_object(value: Any, how: Columns) -> list[tuple[Field, Any]]:
    """The fields of a JSON object; BadRow when it has a key that nothing explains."""
    if not isinstance(value, dict):
        raise BadRow("is not a JSON object")
    fields: dict[str, tuple[Field, Any]] = {}
    for key, each in members(value, how) if how.nested else value.items():
        try:
            field = how.of(key)
        except KeyError:
            raise BadRow(f"{key[:60]}: is unknown: give --map {key[:60]}=FIELD or --ignore {key[:60]}") from None
        if field is None:
            continue
        if field.column in fields and each is not None and how.preset is None:
            raise BadRow(f"{key[:60]}: {field.column} is given twice")
        _, known = fields.get(field.column, (field, None))
        if known is None or known == "":
            fields[field.column] = (field, each)
    return list(fields.values())


def members(value: dict[str, Any], how: Columns, path: str = "") -> Iterator[tuple[str, Any]]:
    """The members of an object, and by their paths those of its objects of which a member is named.

    An object may be text, as exports to CSV and databases have it.
    """
    for key, each in value.items():
        name = path + key
        if name in how.nested and name not in how.mapped:
            try:
                inner = load_json(each) if isinstance(each, str) and each.startswith("{") else each
            except ValueError as error:
                raise BadRow(f"{name[:60]}: {error}") from None
            if isinstance(inner, dict):
                yield from members(inner, how, name + ".")
                continue
        yield name, each
