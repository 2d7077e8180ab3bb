"""JSON: an object a line, or an array of objects, whose elements may span lines."""

import codecs
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from analytics_service.errors import UsageError
from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, lines, readable
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.rows import BadRow, of_object
from analytics_service.ingest.strings import load_json, no_constant

_CHUNK: Final = 2**18
_NOT_BLANK: Final = re.compile(r"[^ \t\r\n]")


def member_names(text: str) -> list[str]:
    """The members of the first object of a file that begins so; none where its end is not there."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


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
    """The elements of the array that the file is, one held at a time; UsageError from where on it is none."""
    for line, value in _Array(file).elements():
        try:
            yield Record(line=line, fields=of_object(value, how))
        except BadRow as error:
            yield Record(line=line, fields=error)


class _Array:
    def __init__(self, file: Input) -> None:
        self._file = file
        self._json = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant)
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
        self._text = ""
        self._at = 0
        self._line = 1

    def elements(self) -> Iterator[tuple[int, Any]]:
        """With the line that each begins on; of arrays that follow one another all."""
        while True:
            self._take("[")
            while self._next() != "]":
                yield self._line, self._element()
                if self._next() != "]":
                    self._take(",")
            self._take("]")
            if not self._next():
                return

    def _element(self) -> Any:
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except (ValueError, ArithmeticError, RecursionError) as error:
                if len(self._text) - self._at > MAX_LINE_BYTES or not self._more():
                    raise self._failed(str(error)) from None
            else:
                self._skip(end)
                return value

    def _take(self, expected: str) -> None:
        if self._next() != expected:
            raise self._failed(f"{expected!r} is expected")
        self._skip(self._at + 1)

    def _next(self) -> str:
        """The next character that is not blank; empty at the end of the file."""
        while True:
            found = _NOT_BLANK.search(self._text, self._at)
            self._skip(found.start() if found else len(self._text))
            if found or not self._more():
                return self._text[self._at : self._at + 1]

    def _skip(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self) -> bool:
        """Reads as much again as is there of the element: so each is parsed a few times at most."""
        with readable(self._file.name):
            read = self._file.stream.read(max(_CHUNK, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + self._utf8.decode(read, final=not read), 0
        return bool(read)

    def _failed(self, why: str) -> UsageError:
        return UsageError(f"{self._file.name}:{self._line}: is no JSON array from here on: {why}")
