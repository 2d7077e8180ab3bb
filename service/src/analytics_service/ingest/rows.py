"""A record of a file becomes a row of `traces`, or a reason with line and field why it cannot. Pure.

A row that passes here is never refused by the table: COPY would refuse the whole batch of a bad one.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from analytics_service.ingest.fields import Field
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.values import COST_LIMIT, LARGEST

SpanRow = dict[str, Any]
"""By column of the table; absent columns are NULL."""


class BadRow(ValueError):
    """Why a record cannot be stored: `field: reason`."""


class Origin(NamedTuple):
    """The position of a record: its file's name for ids, and its number among the records, from 1."""

    source: str
    ordinal: int


def row(
    fields: Iterable[tuple[Field, Any]], base: Mapping[str, object], origin: Origin, horizon: datetime | None
) -> SpanRow:
    """The row of a record. Empty values count as absent: those of `base` stand in for them."""
    span: SpanRow = dict(base)
    for field, value in fields:
        if value is None or value == "":
            continue
        try:
            span[field.column] = field.parse(value)
        except ValueError as error:
            raise BadRow(f"{field.name}: {error}") from None
    _complete(span, origin)
    if horizon is not None and span["ts"] < horizon:
        raise BadRow(
            f"ts: is before {horizon:%Y-%m-%d}, where single requests are no longer kept: see RETENTION_RAW_DAYS"
        )
    return span


def _complete(span: SpanRow, origin: Origin) -> None:
    for needed in ("org_id", "ts"):
        if needed not in span:
            raise BadRow(f"{needed}: is missing")
    if "trace_id" not in span or "span_id" not in span:
        trace_id, span_id = ids(origin)
        span.setdefault("trace_id", trace_id)
        span.setdefault("span_id", span_id)
    if "total_tokens" not in span and "prompt_tokens" in span and "completion_tokens" in span:
        span["total_tokens"] = span["prompt_tokens"] + span["completion_tokens"]
        if span["total_tokens"] > LARGEST:
            raise BadRow(f"total_tokens: the sum is more than {LARGEST}")
    if "total_cost_usd" not in span and "prompt_cost_usd" in span and "completion_cost_usd" in span:
        span["total_cost_usd"] = span["prompt_cost_usd"] + span["completion_cost_usd"]
        if span["total_cost_usd"] >= COST_LIMIT:
            raise BadRow(f"total_cost_usd: the sum is not below {COST_LIMIT}")


def ids(origin: Origin) -> tuple[str, str]:
    """Trace and span of a record without ids: from its place, never from its content, so that equal rows both count."""
    digest = hashlib.sha256(f"{origin.source}\0{origin.ordinal}".encode()).hexdigest()
    return digest[:32], digest[32:48]


def of_object(value: Any, how: Columns) -> list[tuple[Field, Any]]:
    """The fields of a JSON object; BadRow when it has a key that nothing explains."""
    if not isinstance(value, dict):
        raise BadRow("is not a JSON object")
    fields: dict[str, tuple[Field, Any]] = {}
    for key, each in value.items():
        try:
            field = how.of(key)
        except KeyError:
            raise BadRow(f"{key[:60]}: is unknown: give --map {key[:60]}=FIELD or --ignore {key[:60]}") from None
        if field is None:
            continue
        if field.column in fields and each is not None:
            raise BadRow(f"{key[:60]}: {field.column} is given twice")
        fields.setdefault(field.column, (field, each))
    return list(fields.values())
