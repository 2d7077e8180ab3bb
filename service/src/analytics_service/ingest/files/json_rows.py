"""JSON: an object a line, an array of objects, whose elements may span lines, or documents with arrays of records."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, lines
from analytics_service.ingest.files.json_text import JsonText
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.objects import of_object
from analytics_service.ingest.preset import Elements
from analytics_service.ingest.rows import BadRow
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


def json_lines(file: Input, how: Columns) -> Iterator[Record]:
    for number, line in enumerate(lines(file), start=1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_BYTES:
            yield Record(line=number, fields=BadRow(f"the line is longer than {MAX_LINE_BYTES} bytes"))
            continue
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape")
        try:
            yield Record(line=number, fields=of_object(load_json(text), how))
        except BadRow as error:
            yield Record(line=number, fields=error)
        except ValueError as error:
            yield Record(line=number, fields=BadRow(str(error)))


def json_array(file: Input, how: Columns) -> Iterator[Record]:
    """The elements of the arrays that the file is, one held at a time; UsageError from where on it is none."""
    text = JsonText(file, "JSON array")
    while text.following():
        for line, value in text.array():
            yield _record(line, value, how)


def json_documents(file: Input, how: Columns, elements: Elements) -> Iterator[Record]:
    """The records of each element of an array that the documents of a file have, which may follow one another or be in
    an array; one element is held at a time.
    """
    for line, element in JsonText(file, "JSON").objects(elements.array):
        for value in elements.records(element):
            if isinstance(value, ValueError):
                yield Record(line=line, fields=BadRow(f"{elements.array}: {value}"))
            else:
                yield _record(line, value, how)


def _record(line: int, value: Any, how: Columns) -> Record:
    try:
        return Record(line=line, fields=of_object(value, how))
    except BadRow as error:
        return Record(line=line, fields=error)
