"""Files as records: CSV, JSON lines, JSON arrays and documents, and Parquet, in bounded memory.

A record that cannot be used is a BadRow in its place; a UsageError ends a file that cannot be read any further.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from analytics_service.errors import UsageError
from analytics_service.ingest.files.csv_rows import csv_rows, header_names
from analytics_service.ingest.files.input import PARQUET, Input
from analytics_service.ingest.files.json_rows import json_array, json_documents, json_lines, member_names
from analytics_service.ingest.files.parquet_rows import column_names, parquet_rows
from analytics_service.ingest.files.records import Reading
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.presets import PRESETS

AUTO: Final = "auto"
FORMATS: Final[Mapping[str, Callable[[Input, Columns], Reading]]] = MappingProxyType(
    {"csv": csv_rows, "jsonl": json_lines, "json": json_array, "parquet": parquet_rows}
)


def reading(file: Input, file_format: str, how: Columns) -> Reading:
    """The records of a file, in order."""
    known, elements = _format(file, file_format), PRESETS[how.preset].elements if how.preset else None
    if elements is None:
        return FORMATS[known](file, how)
    if known in {"json", "jsonl"}:
        return json_documents(file, how, elements)
    raise UsageError(f"{file.name}: is {known}, and the preset {how.preset} is of JSON")


def names_of(file: Input, file_format: str) -> list[str]:
    """The columns of the file, or the members of its first object; nothing of it is read."""
    known = _format(file, file_format)
    if known == "parquet":
        return column_names(file)
    beginning = _beginning(file).decode(errors="replace")
    if known == "csv":
        return header_names(beginning.partition("\n")[0].rstrip("\r"))
    return member_names(beginning)


def _format(file: Input, file_format: str) -> str:
    """`auto` knows Parquet by its mark, and JSON by its first character: a brace begins lines or a document, a bracket
    an array.
    """
    if file_format != AUTO:
        return file_format
    if file.beginning.startswith(PARQUET):
        return "parquet"
    return {b"{": "jsonl", b"[": "json"}.get(_beginning(file)[:1], "csv")


def _beginning(file: Input) -> bytes:
    return file.beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
