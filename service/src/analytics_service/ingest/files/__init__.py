"""Files as records: CSV, JSON lines and JSON arrays, in bounded memory.

A record that cannot be used is a BadRow in its place; a UsageError ends a file that cannot be read any further.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from analytics_service.ingest.files.csv_rows import csv_rows
from analytics_service.ingest.files.input import Input, readable
from analytics_service.ingest.files.json_rows import json_array, json_lines
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.mapping import Columns

AUTO: Final = "auto"
FORMATS: Final[Mapping[str, Callable[[Input, Columns], Iterator[Record]]]] = MappingProxyType(
    {"csv": csv_rows, "jsonl": json_lines, "json": json_array}
)


def records(file: Input, file_format: str, how: Columns) -> Iterator[Record]:
    """The records of a file, in order. `auto` knows JSON by its first character: a brace begins lines, a bracket an
    array.
    """
    if file_format == AUTO:
        with readable(file.name):
            beginning = file.stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        file_format = {b"{": "jsonl", b"[": "json"}.get(beginning[:1], "csv")
    yield from FORMATS[file_format](file, how)
