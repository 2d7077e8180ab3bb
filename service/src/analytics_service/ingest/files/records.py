"""What the readers of every format make of a file."""

from typing import NamedTuple

from analytics_service.ingest.rows import BadRow, Fields


class Record(NamedTuple):
    """A record and the line that it begins on; BadRow where it cannot be used."""

    line: int
    fields: Fields | BadRow
