"""What the readers of every format make of a file."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from analytics_service.ingest.rows import BadRow, Fields

Raw: TypeAlias = tuple[int, Any]
"""A part of a file, and the line that it begins on; BadRow where it cannot be used."""


class Record(NamedTuple):
    """A record and the line that it begins on; BadRow where it cannot be used."""

    line: int
    fields: Fields | BadRow


class Reading(NamedTuple):
    """A file that is read in two steps: to find its parts is cheap, so that a process can pass over those of others."""

    parts: Iterator[Raw]
    """In order, each one or more records."""
    records: Callable[[Sequence[Raw]], list[Record]]
    """Those of some of the parts."""
