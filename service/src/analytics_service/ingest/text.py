"""Rows as COPY's text format: a third of what the driver's own encoding of Python's objects costs. Pure.

Column by column: what the values of a column have in common is decided once.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from operator import is_, itemgetter
from typing import Any, Final, NamedTuple

from analytics_service.ingest.fields import COLUMNS, WEIGHT
from analytics_service.ingest.identity import LEGACY, Occurrences, ids
from analytics_service.ingest.rows import SpanRow
from analytics_service.ingest.times import EARLIEST
from analytics_service.ingest.traces import Extent, Trace, traces
from analytics_service.ingest.values import Rounded

_NULL: Final = "\\N"
_ESCAPED: Final = "\\\t\n\r"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_IN_ARRAY: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})
_NUMBERS: Final = frozenset({int, bool, Decimal, Rounded})
_NONE: Final = type(None)
_CHUNK: Final = 250
"""Rows whose columns are made together: few enough to stay in the processor's cache."""


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
    known = set().union(*rows)
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
        data=b"".join([_lines(rows[first : first + _CHUNK], columns) for first in range(0, len(rows), _CHUNK)]),
    )


def counted(text: Text, digests: Mapping[int, bytes], occurrences: Occurrences) -> Text:
    """With the ids of rows that are not the first of their equals; `digests` are those of rows by their position."""
    later = {
        position: (digest, number) for position, digest in digests.items() if (number := occurrences.number(digest)) > 1
    }
    if not later:
        return text
    key = [text.columns.index(name) for name in ("org_id", "trace_id", "span_id")]
    lines = [line.split(b"\t") for line in text.data.splitlines()]
    of_rows = dict(text.traces)
    by_name = {trace.trace_id: trace for trace in of_rows}
    for position, (digest, number) in later.items():
        (first, _), (trace_id, span_id) = ids(digest, 1), ids(digest, number)
        cells = lines[position]
        cells[key[2]] = span_id.encode()
        if cells[key[1]] == first.encode():  # else it is the row's own
            cells[key[1]] = trace_id.encode()
            if first in by_name:
                _move(of_rows, by_name[first], trace_id)
    return text._replace(
        data=b"\n".join([*map(b"\t".join, lines), b""]),
        traces=of_rows,
        is_repeated=text.is_repeated and len({tuple(map(cells.__getitem__, key)) for cells in lines}) < text.rows,
    )


def _move(of_rows: dict[Trace, Extent], trace: Trace, trace_id: str) -> None:
    """One of the rows of a trace, which all have the same time, to another."""
    extent = of_rows.pop(trace)
    of_rows[trace._replace(trace_id=trace_id)] = extent._replace(rows=1)
    if extent.rows > 1:
        of_rows[trace] = extent._replace(rows=extent.rows - 1)


def _lines(rows: Sequence[SpanRow], columns: Sequence[str]) -> bytes:
    if all(len(row) == len(columns) for row in rows):  # so each has all of them
        values = zip(*map(itemgetter(*columns), rows), strict=True)
    else:
        values = zip(*[[row.get(name) for name in columns] for row in rows], strict=True)
    lines = map("\t".join, zip(*map(_cells, values), strict=True))
    return "\n".join([*lines, ""]).encode()


def _cells(values: Sequence[Any]) -> list[str]:
    """The cells of a column."""
    if len(values) > 1 and all(map(is_, values, repeat(values[0]))):  # as a default, which every row has
        return _cells(values[:1]) * len(values)
    types = set(map(type, values))
    if _NONE in types:
        given = iter(_cells([value for value in values if value is not None]))
        return [_NULL if value is None else next(given) for value in values]
    if types <= _NUMBERS:
        return list(map(str, values))
    if datetime in types:
        return list(map(_moment, values))
    texts = list(map(_array, values)) if list in types else list(values)
    joined = "".join(texts)
    return [text.translate(_ESCAPES) for text in texts] if any(map(joined.__contains__, _ESCAPED)) else texts


def _moment(value: datetime) -> str:
    """As `str(value)`, without asking for an offset that is always zero, which takes long."""
    passed = value - EARLIEST
    second = passed.seconds
    return f"{_minute(passed.days * 1440 + second // 60)}{second % 60:02}.{passed.microseconds:06}+00"


@lru_cache(maxsize=10_000)
def _minute(number: int) -> str:
    return f"{EARLIEST + timedelta(minutes=number):%Y-%m-%d %H:%M:}"


def _array(values: Sequence[str]) -> str:
    return "{" + ",".join(f'"{value.translate(_IN_ARRAY)}"' for value in values) + "}"
