"""JSON: an object a line, an array of objects, whose elements may span lines, or documents with arrays of records."""

import codecs
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, lines
from analytics_service.ingest.files.json_text import JsonText
from analytics_service.ingest.files.records import Raw, Reading, Record
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.objects import of_object
from analytics_service.ingest.preset import Elements
from analytics_service.ingest.rows import BadRow, Fields
from analytics_service.ingest.strings import load_json


def member_names(text: str) -> list[str]:
    """The members of the first object of a file that begins so, and by their paths those of the first elements of its
    arrays. Of an object that is longer those that are there.
    """
    beginning = text[text.find("{") :]
    value: Any = None
    try:
        value, _ = json.JSONDecoder().raw_decode(beginning)
    except (ValueError, RecursionError):
        with suppress(ValueError):
            value = from_json(beginning, allow_partial=True)
    return list(_paths(value, "")) if isinstance(value, dict) else []


def _paths(value: dict[str, Any], path: str) -> Iterator[str]:
    yield from (path + name for name in value)
    for name, each in value.items():
        if isinstance(each, list) and each and isinstance(each[0], dict):
            yield from _paths(each[0], f"{path}{name}.")


def json_lines(file: Input, how: Columns) -> Reading:
    def records(numbered: Sequence[Raw]) -> list[Record]:
        return [Record(number, _of_line(line, how)) for number, line in numbered]

    def parts() -> Iterator[Raw]:
        for number, line in enumerate(lines(file), start=1):
            if line.strip():
                yield number, line if number > 1 else line.removeprefix(codecs.BOM_UTF8)

    return Reading(parts(), records)


def _of_line(line: bytes, how: Columns) -> Fields | BadRow:
    if len(line) > MAX_LINE_BYTES:
        return BadRow(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        value = load_json(line.decode(errors="surrogateescape"))
    except ValueError as error:
        return BadRow(str(error))
    return _fields(value, how)


def json_array(file: Input, how: Columns) -> Reading:
    """The elements of the arrays that the file is, one held at a time; UsageError from where on it is none."""
    text = JsonText(file, "JSON array")

    def elements() -> Iterator[Raw]:
        while text.following():
            yield from text.array()

    def records(values: Sequence[Raw]) -> list[Record]:
        return [Record(line, _fields(value, how)) for line, value in values]

    return Reading(elements(), records)


def json_documents(file: Input, how: Columns, elements: Elements) -> Reading:
    """The records of each element of an array that the documents of a file have, which may follow one another or be in
    an array; one element is held at a time.
    """

    def records(found: Sequence[Raw]) -> list[Record]:
        return [
            Record(
                line,
                BadRow(f"{elements.array}: {value}") if isinstance(value, ValueError) else _fields(value, how),
            )
            for line, element in found
            for value in elements.records(element)
        ]

    return Reading(JsonText(file, "JSON").objects(elements.array), records)


def _fields(value: Any, how: Columns) -> Fields | BadRow:
    try:
        return of_object(value, how)
    except BadRow as error:
        return error
