"""What the readers of every format make of a file."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from analytics_service.ingest.fields import Field
from analytics_service.ingest.rows import BadRow

Fields: TypeAlias = Sequence[tuple[Field, Any]]


class Record(NamedTuple):
    """A record and the line that it begins on; BadRow where it cannot be used."""

    line: int
    fields: Fields | BadRow
