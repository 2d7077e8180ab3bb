"""Bounds the bytes of the spans that one statement returns: their texts may be megabytes each."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final

from analytics_service.contract.endpoint import MAX_PAGE_BYTES, Row

_FETCHED_BYTES: Final = MAX_PAGE_BYTES * 3 // 4
"""Of long fields. Less than an answer may have, so that few rows are fetched that it has no room for."""
_MAX_BYTES: Final = MappingProxyType(
    {"error_message": 2**16, "input_text": 2**22, "output_text": 2**22, "attributes": 2**20}
)
"""Of the long fields: what the table, or the import, lets in."""
LONG_FIELDS: Final = frozenset(_MAX_BYTES)


def may_be_long(fields: Iterable[str], rows: int) -> bool:
    """Whether so many rows may have more than one statement returns."""
    return rows * sum(_MAX_BYTES.get(name, 0) for name in fields) > _FETCHED_BYTES


def bounded(rows: str, fields: Iterable[str], *, order: str, counts: str = "") -> str:
    """Returns the first of the `rows` whose long `fields` have no more than _FETCHED_BYTES together, at least one.

    `found` is how many there would be, and `counts` may count them otherwise. The server knows the length of a text
    without reading it. `rows` has a limit: nothing is measured that is beyond it.
    """
    return f"""
SELECT * FROM (
  SELECT s.*, sum(s.size) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS size_so_far,
    count(*) OVER () AS found{counts}
  FROM (SELECT r.*, {_size(fields)} AS size FROM ({rows}) AS r) AS s
) AS b
WHERE b.size_so_far <= {_FETCHED_BYTES} OR b.size_so_far = b.size"""


def are_all(rows: Sequence[Row]) -> bool:
    """Whether `bounded` left no row out."""
    return not rows or len(rows) == rows[0]["found"]


def _size(fields: Iterable[str]) -> str:
    texts = [f"{name}::text" if name == "attributes" else name for name in fields if name in _MAX_BYTES]
    return " + ".join(f"coalesce(octet_length({text}), 0)" for text in texts) or "0"
