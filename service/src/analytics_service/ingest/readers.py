"""Files as records: CSV and JSON lines, plain or gzipped, from a path or standard input, in bounded memory.

A record that cannot be used is a BadRow in its place; a UsageError ends a file that cannot be read any further.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from analytics_service.errors import UsageError
from analytics_service.ingest.fields import Field
from analytics_service.ingest.mapping import Columns, of_header
from analytics_service.ingest.rows import BadRow, of_object
from analytics_service.ingest.strings import load_json

STDIN = "-"
_MAX_LINE_BYTES = 16 * 2**20
_BUFFER = 2**18
_GZIP = b"\x1f\x8b"

Fields: TypeAlias = Sequence[tuple[Field, Any]]


class Record(NamedTuple):
    """A record and the line that it begins on."""

    line: int
    fields: Fields | BadRow


@dataclass(frozen=True, kw_only=True)
class Input:
    """An opened file: its decompressed bytes, and how far the stored ones were read."""

    name: str
    stream: "io.BufferedReader[Any]"
    stored: "io.BufferedReader[Any]"
    size: int | None
    """Bytes of the stored file; None when it is not known, as for standard input."""

    def position(self) -> int:
        """Bytes of the stored file that were read."""
        return self.stored.tell() if self.size is not None else 0


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """The file, or standard input for `-`; gzip is known by its first bytes, whatever the name says."""
    try:
        descriptor = io.FileIO(0, closefd=False) if path == STDIN else io.FileIO(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    with io.BufferedReader(descriptor, _BUFFER) as stored:
        with _readable(path):
            packed = stored.peek(2)[:2] == _GZIP
            size = None if path == STDIN else Path(path).stat().st_size
        unpacked = cast("io.RawIOBase", gzip.GzipFile(fileobj=stored)) if packed else None
        stream = stored if unpacked is None else io.BufferedReader(unpacked, _BUFFER)
        yield Input(name=path, stream=stream, stored=stored, size=size)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Around reading only: a database that is lost meanwhile is an OSError too."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{name}: cannot be read to its end: {error}") from error


def source_name(path: str) -> str:
    """The name that ids are made from: the file's without folder and `.gz`, so that both forms are the same source."""
    return Path(path).name.removesuffix(".gz")


def records(file: Input, file_format: str, how: Columns) -> Iterator[Record]:
    """The records of a file, in order. `auto` is JSON lines if the first character is a brace, else CSV."""
    if file_format == "auto":
        with _readable(file.name):
            beginning = file.stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        file_format = "jsonl" if beginning.startswith(b"{") else "csv"
    yield from (_jsonl if file_format == "jsonl" else _csv)(file, how)


def _csv(file: Input, how: Columns) -> Iterator[Record]:
    csv.field_size_limit(_MAX_LINE_BYTES)
    reader = csv.reader(_texts(file), strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise UsageError(f"{file.name}: is empty: a CSV file begins with the names of its columns")
        columns = of_header(header, how, file.name)
        line = reader.line_num
        for cells in reader:
            first, line = line + 1, reader.line_num
            if not cells:
                continue
            if len(cells) == len(header):
                yield Record(line=first, fields=[(field, cells[position]) for position, field in columns])
            else:
                yield Record(line=first, fields=BadRow(f"has {len(cells)} cells, and the header has {len(header)}"))
    except csv.Error as error:
        raise UsageError(f"{file.name}:{reader.line_num}: is no CSV from here on: {error}") from error


def _texts(file: Input) -> Iterator[str]:
    """Lines as text. Bytes that are no UTF-8 become surrogates, for which the value that holds them is refused."""
    for number, line in enumerate(_lines(file), start=1):
        if len(line) > _MAX_LINE_BYTES:
            raise UsageError(f"{file.name}:{number}: the line is longer than {_MAX_LINE_BYTES} bytes")
        yield line.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape")


def _lines(file: Input) -> Iterator[bytes]:
    """Lines; of one that is too long only its beginning, which is one byte too long."""
    with _readable(file.name):
        while line := file.stream.readline(_MAX_LINE_BYTES + 1):
            yield line
            while len(line) > _MAX_LINE_BYTES and not line.endswith(b"\n"):
                line = file.stream.readline(_MAX_LINE_BYTES + 1)


def _jsonl(file: Input, how: Columns) -> Iterator[Record]:
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        if len(line) > _MAX_LINE_BYTES:
            yield Record(line=number, fields=BadRow(f"the line is longer than {_MAX_LINE_BYTES} bytes"))
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            yield Record(line=number, fields=of_object(load_json(text), how))
        except UnicodeDecodeError:
            yield Record(line=number, fields=BadRow("is not valid UTF-8"))
        except BadRow as error:
            yield Record(line=number, fields=error)
        except ValueError as error:
            yield Record(line=number, fields=BadRow(str(error)))
