"""Records become rows: those that have the same fields together. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias

from analytics_service.ingest.files.records import Record
from analytics_service.ingest.identity import contents
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.rows import BadRow, Fields, Maker, SpanRow, parsed, parsed_together, row

Made: TypeAlias = tuple[Record, SpanRow | BadRow, str]
"""A record, the row of it or why there is none, and its content, by which a row without ids is known."""


def made(records: Sequence[Record], how: Columns, horizon: datetime | None) -> Iterable[Made]:
    """What becomes of each record, in their order."""
    results: list[Made] = [(record, BadRow(), "") for record in records]
    alike = defaultdict(list)
    for position, record in enumerate(records):
        if isinstance(record.fields, BadRow):
            results[position] = record, record.fields, ""
        else:
            alike[id(record.fields.of)].append(position)
    for positions in alike.values():
        together = _together([records[each] for each in positions], how, horizon)
        for position, each in zip(positions, together, strict=True):
            results[position] = each
    return results


def _together(alike: Sequence[Record], how: Columns, horizon: datetime | None) -> Iterable[Made]:
    every = [record.fields for record in alike if not isinstance(record.fields, BadRow)]
    of = every[0].of
    try:
        given = parsed_together(of, [fields.values for fields in every])
    except ValueError:  # of one of them: each by itself tells which, and why
        return [_alone(record, fields, how, horizon) for record, fields in zip(alike, every, strict=True)]
    has_ids = all("span_id" in each for each in given)
    texts = [""] * len(given) if has_ids else contents(given)
    maker = Maker(of, how, horizon)
    return zip(alike, [_row(maker, *each) for each in zip(given, every, strict=True)], texts, strict=True)


def _row(maker: Maker, given: SpanRow, fields: Fields) -> SpanRow | BadRow:
    try:
        return maker.row(given, fields)
    except BadRow as error:
        return error


def _alone(record: Record, fields: Fields, how: Columns, horizon: datetime | None) -> Made:
    try:
        given = parsed(fields)
        return record, row(given, fields, how, horizon), contents([given])[0]
    except BadRow as error:
        return record, error, ""
