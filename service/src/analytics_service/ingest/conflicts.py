"""Rows of spans that are there already, in the store or earlier in their batch: what becomes of them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from analytics_service.errors import UsageError
from analytics_service.ingest.fields import COSTS, PRICE
from analytics_service.ingest.merge import merged, needs_price
from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.pricing.columns import is_given

SAME_SPAN: Final = timedelta(days=1)
"""So far from where it was a span is known again; the time of a row is a part of its key."""
Price: TypeAlias = Callable[[SpanRow], None]


class OnConflict(StrEnum):
    """What to do with a row of a known span that has other content."""

    MERGE = "merge"
    """One row of both: ingest/merge.py."""
    KEEP = "keep"
    """The row that is there stays."""
    REPLACE = "replace"
    STOP = "stop"


@dataclass
class Resolved:
    """What has to be done to the store, and the counts of a report."""

    removed: list[SpanRow] = field(default_factory=list)
    """Rows of the store that others of the same span replace."""
    added: list[SpanRow] = field(default_factory=list)
    inserted: int = 0
    conflicts: int = 0
    """Rows that came with another content than is known of their span."""


@dataclass
class _Known:
    row: SpanRow
    stored: SpanRow | None


def resolve(
    arrived: Sequence[SpanRow], stored: Sequence[SpanRow], on_conflict: OnConflict, price: Price, to: Resolved
) -> None:
    """Adds what becomes of the rows of one span to `to`; UsageError where one has other content and none may have.

    `price` fills in the cost of a merged row of which it has to be computed again.
    """
    known = [_Known(row, row) for row in stored]
    for row in arrived:
        near = [each for each in known if abs(each.row["ts"] - row["ts"]) <= SAME_SPAN]
        if not near:
            known.append(_Known(row, None))
            to.inserted += 1
            continue
        nearest = min(near, key=lambda each: abs(each.row["ts"] - row["ts"]))
        if _content(nearest.row) != _content(row):
            to.conflicts += 1
            nearest.row = _one(nearest.row, row, on_conflict, price)
    changed = [each for each in known if each.row != each.stored]
    to.added += [each.row for each in changed]
    to.removed += [each.stored for each in changed if each.stored is not None]


def _one(known: SpanRow, row: SpanRow, on_conflict: OnConflict, price: Price) -> SpanRow:
    match on_conflict:
        case OnConflict.KEEP:
            return known
        case OnConflict.REPLACE:
            return row
        case OnConflict.STOP:
            raise UsageError(_difference(known, row))
        case OnConflict.MERGE:
            both = merged(known, row)
            if needs_price(both):
                try:
                    price(both)
                except BadRow as error:
                    raise UsageError(f"{_name(row)}: {error}: give --on-conflict keep or replace") from error
            return both


def _content(row: SpanRow) -> SpanRow:
    """What was given of a row: a computed cost follows from it, and from the prices of a day."""
    if row.keys().isdisjoint(COSTS) or not is_given(row):
        return {name: value for name, value in row.items() if name not in PRICE}
    return {name: value for name, value in row.items() if name != "price_status"}


def _difference(stored: SpanRow, row: SpanRow) -> str:
    old, new = _content(stored), _content(row)
    names = [name for name in (*old, *(new.keys() - old.keys())) if old.get(name) != new.get(name)]
    return f"{_name(row)}: is there with another {', '.join(names[:5])}: give --on-conflict merge, keep or replace"


def _name(row: SpanRow) -> str:
    return f"span {row['span_id']} of trace {row['trace_id']} of {row['org_id']}"
