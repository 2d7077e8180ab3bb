"""Rows as COPY's text format: a third of what the driver's own encoding of Python's objects costs. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from analytics_service.ingest.fields import COLUMNS, WEIGHT
from analytics_service.ingest.identity import LEGACY
from analytics_service.ingest.rows import SpanRow
from analytics_service.ingest.traces import Extent, Trace, traces

_NULL: Final = "\\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_IN_ARRAY: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})


class Text(NamedTuple):
    rows: int
    days: frozenset[date]
    """In UTC, that its rows are of."""
    columns: tuple[str, ...]
    """Those that any of the rows has; the others are left to their defaults."""
    data: bytes
    traces: Mapping[Trace, Extent] = {}
    """Of rows with ids of their user's own: other rows may be of the same spans and traces."""
    is_repeated: bool = False
    """Whether a span of these traces comes twice."""


def encode(rows: Sequence[SpanRow], *, with_ids: bool = False) -> Text:
    """The rows, in their order; `with_ids` where some came with ids of their user's own."""
    known = set().union(*{tuple(row) for row in rows})
    if WEIGHT in known:
        rows = [{WEIGHT: 1, **row} for row in rows]  # which is not null, and few files have
    columns = tuple(name for name in (*COLUMNS, *LEGACY) if name in known)
    spans = {(row["org_id"], row["trace_id"], row["span_id"]) for row in rows} if with_ids else ()
    return Text(
        traces=traces(rows) if with_ids else {},
        is_repeated=with_ids and len(spans) < len(rows),
        rows=len(rows),
        days=frozenset({row["ts"].date() for row in rows}),
        columns=columns,
        data="".join([_line(row, columns) for row in rows]).encode(),
    )


def _line(row: SpanRow, columns: tuple[str, ...]) -> str:
    """Most rows have nothing to escape, which the whole line tells at once."""
    if "tags" in row:
        row = row | {"tags": _array(row["tags"])}
    cells = [_NULL if (value := row.get(name)) is None else str(value) for name in columns]
    line = "\t".join(cells)
    nulls = len(columns) - len(row)
    if line.count("\\") != nulls or line.count("\t") != len(cells) - 1 or "\n" in line or "\r" in line:
        line = "\t".join([str(row[name]).translate(_ESCAPES) if name in row else _NULL for name in columns])
    return line + "\n"


def _array(values: Sequence[str]) -> str:
    return "{" + ",".join(f'"{value.translate(_IN_ARRAY)}"' for value in values) + "}"
