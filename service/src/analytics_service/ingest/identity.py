"""The ids of rows that come without them, or with one of the two: the same row has the same ids in every file. Pure.

A row without ids is known by its organisation, its content, and which of the equal rows of its file it is. So a file
that is imported again adds nothing, an export that overlaps another adds what is new, and rows that look alike in one
file all count. One id of the user's own is enough: the other one follows from it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from typing_extensions import override

from analytics_service.ingest.times import EARLIEST

MAX_DIGESTS: Final = 2**18
"""Of rows of a file that are remembered. Equal rows have the same time, and files are nearly in the order of time:
those that are farther apart are one row that was exported twice."""
_MICROSECOND: Final = timedelta(microseconds=1)
LEGACY: Final = ("legacy_trace_id", "legacy_span_id")
"""Keys of the ids that releases before 0.4 gave a row: no columns, and only for organisations with rows of them."""


class Origin(NamedTuple):
    """The position of a record: its file's name, and its number among the records, from 1."""

    source: str
    ordinal: int


class Occurrences:
    """Counts equal rows of a file."""

    def __init__(self, limit: int = MAX_DIGESTS) -> None:
        self._limit = limit
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def number(self, digest: bytes) -> int:
        """Of this row among its equals, from 1."""
        counts = self._counts
        counts[digest] = number = counts.pop(digest, 0) + 1  # the last one again
        if len(counts) > self._limit:
            counts.popitem(last=False)
        return number


class Uncounted(Occurrences):
    """Takes every row for the first of its equals: it is counted where those of earlier portions are known."""

    def __init__(self) -> None:
        super().__init__()
        self._digest: bytes | None = None

    @override
    def number(self, digest: bytes) -> int:
        self._digest = digest
        return 1

    def take(self) -> bytes | None:
        """The digest of the last row; None where it has an id of its own."""
        digest, self._digest = self._digest, None
        return digest


def identify(
    span: dict[str, Any], content: str, origin: Origin, occurrences: Occurrences, *, with_legacy: bool
) -> None:
    """Fills in the ids that a row does not have; `with_legacy` also those that releases before 0.4 gave it.

    `content` is that of its record (`contents`).
    """
    own_trace, own_span = span.get("trace_id"), span.get("span_id")
    if own_trace is not None and own_span is not None:
        return
    if own_span is not None:
        span["trace_id"] = own_span
    else:
        # neither has a NUL: an organisation and a content never make the text of others
        text = f"{span['org_id']}\0{content}" if content else span["org_id"]
        digest = _hashed(text.encode("utf-8", "surrogatepass"))
        number = occurrences.number(digest)
        name = digest.hex() if number == 1 else _later(digest, number)
        span.setdefault("trace_id", name[:32])
        span["span_id"] = name[32:]
    if with_legacy:
        trace_id, span_id = _legacy_ids(origin)
        span["legacy_trace_id"], span["legacy_span_id"] = own_trace or trace_id, own_span or span_id


def ids(digest: bytes, number: int) -> tuple[str, str]:
    """Of the trace and of the span of a row that is this one of those with the same digest."""
    name = digest.hex() if number == 1 else _later(digest, number)
    return name[:32], name[32:]


def _later(digest: bytes, number: int) -> str:
    return _hashed(digest + number.to_bytes(8, "big")).hex()


def contents(alike: Sequence[Mapping[str, Any]]) -> list[str]:
    """One text for each of these records, the same for those that gave the same values to the same fields.

    What --set, defaults and this release's rules add is no part of it, so another release, or another --set, gives a
    row the same ids.
    """
    names, spelled = _in_order(tuple(alike[0]))
    if len(names) < 2 or any(each.keys() != alike[0].keys() for each in alike):
        return [_content(each) for each in alike]
    columns = [_column(values) for values in zip(*map(itemgetter(*names), alike), strict=True)]
    return [f"{spelled}\0{values}" for values in map("\0".join, zip(*columns, strict=True))]


def _column(values: Sequence[Any]) -> Iterable[str]:
    """The values of a column, spelled."""
    types = set(map(type, values))
    if types == {str}:
        return values
    return map(str if types == {int} else _spelled, values)


def _content(given: Mapping[str, Any]) -> str:
    names, spelled = _in_order(tuple(given))
    return "\0".join((spelled, *map(_spelled, map(given.__getitem__, names))))


def _spelled(value: object) -> str:
    """One text for equal values, whatever they were written like."""
    if type(value) is Decimal:
        return str(value.normalize())
    if type(value) is datetime:  # its own text takes twice as long
        return str((value - EARLIEST) // _MICROSECOND)
    return str(value)


@lru_cache(maxsize=1_000)
def _in_order(given: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The names of the fields that tell a record, and what its text begins with."""
    names = tuple(sorted(name for name in given if name != "org_id"))
    return names, "\0".join(names)


def _hashed(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=24).digest()


def _legacy_ids(origin: Origin) -> tuple[str, str]:
    digest = hashlib.sha256(f"{origin.source}\0{origin.ordinal}".encode()).hexdigest()
    return digest[:32], digest[32:48]
