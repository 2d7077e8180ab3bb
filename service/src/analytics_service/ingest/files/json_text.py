"""JSON that is read value by value, of a file of any length: one value is held at a time."""

import codecs
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from analytics_service.errors import UsageError
from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, readable
from analytics_service.ingest.strings import no_constant

_CHUNK: Final = 2**18
_COMMA: Final = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
_NOT_BLANK: Final = re.compile(r"[^ \t\r\n]")


class JsonText:
    """The text of a file from where reading is; UsageError with the line from where on it is not `what`."""

    def __init__(self, file: Input, what: str) -> None:
        self._file = file
        self._what = what
        self._json = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant)
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
        self._text = ""
        self._at = 0
        self._line = 1

    def array(self) -> Iterator[tuple[int, Any]]:
        """The elements of the array that follows, with the line that each begins on."""
        self.take("[")
        while self.following() != "]":
            yield self._line, self._value()
            comma = _COMMA.match(self._text, self._at)
            if comma and comma.end() < len(self._text):
                self._skip(comma.end())
            else:  # the end, or what has not been read yet
                self._separate("]")
        self.take("]")

    def members(self, name: str) -> Iterator[tuple[int, Any]]:
        """Of the object that follows the elements of its array of that name; its other members are left out."""
        self.take("{")
        while self.following() != "}":
            key = self.value()
            self.take(":")
            if key == name and self.following() == "[":
                yield from self.array()
            else:
                self.value()
            self._separate("}")
        self.take("}")

    def objects(self, name: str) -> Iterator[tuple[int, Any]]:
        """As `members`, of all objects that follow one another, or are elements of arrays."""
        while following := self.following():
            if following != "[":
                yield from self.members(name)
                continue
            self.take("[")
            while self.following() != "]":
                yield from self.members(name)
                self._separate("]")
            self.take("]")

    def value(self) -> Any:
        self.following()
        return self._value()

    def _value(self) -> Any:
        """That begins right here."""
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except (ValueError, ArithmeticError, RecursionError) as error:
                if len(self._text) - self._at > MAX_LINE_BYTES or not self._more():
                    raise self._failed(str(error)) from None
            else:
                if end == len(self._text) and self._more():
                    continue  # a number may go on
                self._skip(end)
                return value

    def take(self, expected: str) -> None:
        if self.following() != expected:
            raise self._failed(f"{expected!r} is expected")
        self._skip(self._at + 1)

    def following(self) -> str:
        """The next character that is not blank; empty at the end of the file."""
        while True:
            match = _NOT_BLANK.search(self._text, self._at)
            self._skip(match.start() if match else len(self._text))
            if match or not self._more():
                return self._text[self._at : self._at + 1]

    def _separate(self, end: str) -> None:
        if self.following() != end:
            self.take(",")

    def _skip(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self) -> bool:
        """Reads as much again as is there of the value: so each is parsed a few times at most."""
        with readable(self._file.name):
            read = self._file.stream.read(max(_CHUNK, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + self._utf8.decode(read, final=not read), 0
        return bool(read)

    def _failed(self, why: str) -> UsageError:
        return UsageError(f"{self._file.name}:{self._line}: is no {self._what} from here on: {why}")
