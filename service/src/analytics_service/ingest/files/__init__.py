"""Files as records: CSV, JSON lines and JSON arrays, in bounded memory.

A record that cannot be used is a BadRow in its place; a UsageError ends a file that cannot be read any further.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from analytics_service.ingest.files.csv_rows import csv_rows, header_names
from analytics_service.ingest.files.input import Input
from analytics_service.ingest.files.json_rows import json_array, json_lines, member_names
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.mapping import Columns

AUTO: Final = "auto"
FORMATS: Final[Mapping[str, Callable[[Input, Columns], Iterator[Record]]]] = MappingProxyType(
    {"csv": csv_rows, "jsonl": json_lines, "json": json_array}
)


def records(file: Input, file_format: str, how: Columns) -> Iterator[Record]:
    """The records of a file, in order."""
    yield from FORMATS[_format(file, file_format)](file, how)


def names_of(file: Input, file_format: str) -> list[str]:
    """The columns of the file, or the members of its first object; nothing of it is read."""
    beginning = _beginning(file).decode(errors="replace")
    if _format(file, file_format) == "csv":
        return header_names(beginning.partition("\n")[0].rstrip("\r"))
    return member_names(beginning)


def _format(file: Input, file_format: str) -> str:
    """`auto` knows JSON by its first character: a brace begins lines, a bracket an array."""
    if file_format != AUTO:
        return file_format
    return {b"{": "jsonl", b"[": "json"}.get(_beginning(file)[:1], "csv")


def _beginning(file: Input) -> bytes:
    return file.beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
