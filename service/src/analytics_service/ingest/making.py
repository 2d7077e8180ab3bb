"""Records become rows: those that have the same fields together. Pure."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from analytics_service.ingest.identity import contents
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.rows import BadRow, Fields, Maker, SpanRow, parsed, parsed_together, row


class Made(NamedTuple):
    row: SpanRow | BadRow
    """Or why there is none."""
    content: str = ""
    """By which a row without ids is known."""


def _same(given: SpanRow) -> SpanRow:
    return given


def made(
    records: Sequence[Fields | BadRow],
    how: Columns,
    horizon: datetime | None = None,
    change: Callable[[SpanRow], SpanRow] = _same,
) -> list[Made]:
    """What becomes of each record, in their order; `change` applies to what it gives before anything else does."""
    results = [Made(record if isinstance(record, BadRow) else BadRow()) for record in records]
    alike: defaultdict[int, list[tuple[int, Fields]]] = defaultdict(list)
    for position, record in enumerate(records):
        if not isinstance(record, BadRow):
            alike[id(record.of)].append((position, record))
    for numbered in alike.values():
        together = _together([record for _, record in numbered], how, horizon, change)
        for (position, _), each in zip(numbered, together, strict=True):
            results[position] = each
    return results


def _together(
    alike: Sequence[Fields], how: Columns, horizon: datetime | None, change: Callable[[SpanRow], SpanRow]
) -> list[Made]:
    of = alike[0].of
    try:
        parts = parsed_together(of, [fields.values for fields in alike])
    except ValueError:  # of one of them: each by itself tells which, and why
        return [_alone(fields, how, horizon, change) for fields in alike]
    given = list(map(change, parts))
    has_ids = all("span_id" in each for each in given)
    texts = [""] * len(given) if has_ids else contents(given)
    maker = Maker(of, how, horizon)
    every = zip(given, alike, texts, strict=True)
    return [Made(_row(maker, each, fields), text) for each, fields, text in every]


def _row(maker: Maker, given: SpanRow, fields: Fields) -> SpanRow | BadRow:
    try:
        return maker.row(given, fields)
    except BadRow as error:
        return error


def _alone(fields: Fields, how: Columns, horizon: datetime | None, change: Callable[[SpanRow], SpanRow]) -> Made:
    try:
        given = change(parsed(fields))
        return Made(row(given, fields, how, horizon), contents([given])[0])
    except BadRow as error:
        return Made(error)
