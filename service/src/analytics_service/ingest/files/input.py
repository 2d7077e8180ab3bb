"""A file, or standard input, as bytes of UTF-8: decompressed and recoded by its first bytes, whatever its name says."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import zstandard
from typing_extensions import override

from analytics_service.errors import UsageError

STDIN: Final = "-"
MAX_LINE_BYTES: Final = 16 * 2**20
BUFFER: Final = 2**18
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_BYTES: Final = 2**14
"""That are unpacked at once: a few may hold very much."""
_BOMS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
PARQUET: Final = b"PAR1"
_FOREIGN: Final = {
    b"PK\x03\x04": "is a ZIP archive, as Excel's workbooks are: unpack it, or save it as CSV",
    b"BZh": "is compressed by bzip2: unpack it, or compress it by gzip or zstd",
    b"\xfd7zXZ\x00": "is compressed by xz: unpack it, or compress it by gzip or zstd",
    b"SQLite format 3": "is a SQLite database: export its table as CSV",
    b"%PDF": "is a PDF",
}
"""What begins so is named, rather than read as text."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """An opened file: its bytes as UTF-8, and how far the stored ones were read."""

    name: str
    stream: "io.BufferedReader[Any]"
    stored: "io.BufferedReader[Any]"
    size: int | None
    """Bytes of the stored file; None when it is not known, as for standard input."""
    beginning: bytes
    """The first BUFFER bytes, or all where there are fewer."""

    def position(self) -> int:
        """Bytes of the stored file that were read."""
        return self.stored.tell() if self.size is not None else 0

    def consumed(self) -> int:
        """Bytes of the stream that were read."""
        raw = self.stream.raw
        return raw.consumed if isinstance(raw, _Parts) else 0


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """The file, or standard input for `-`; UsageError where it cannot be read, or is of another kind."""
    try:
        descriptor = io.FileIO(0, closefd=False) if path == STDIN else io.FileIO(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    with io.BufferedReader(descriptor, BUFFER) as stored:
        with readable(path):
            stream = _recoded(_unpacked(stored))
            beginning = stream.read(BUFFER)  # whole, also of a pipe that gives it bit by bit
            size = None if path == STDIN else Path(path).stat().st_size
        for magic, what in _FOREIGN.items():
            if beginning.startswith(magic):
                raise UsageError(f"{path}: {what}")
        stream = _buffered(chain((beginning,), _parts(stream)))
        yield Input(name=path, stream=stream, stored=stored, size=size, beginning=beginning)


def _unpacked(stored: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    beginning = stored.peek(4)
    if beginning.startswith(_GZIP):
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stored)), BUFFER)
    if beginning.startswith(_ZSTD):
        return _buffered(_frames(stored))
    return stored


def _recoded(stream: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    """UTF-16 is known by its mark of byte order."""
    encoding = _BOMS.get(stream.peek(2)[:2])
    if encoding is None:
        return stream
    stream.read(2)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    return _buffered(decoder.decode(part, final=not part).encode() for part in chain(_parts(stream), (b"",)))


def _parts(stream: "io.BufferedReader[Any]", size: int = BUFFER) -> Iterator[bytes]:
    return iter(lambda: stream.read(size), b"")


def _frames(packed: "io.BufferedReader[Any]") -> Iterator[bytes]:
    """What is in the frames of zstd, which follow one another; EOFError where the last one has no end."""
    frame: Any = None
    for part in _parts(packed, _ZSTD_BYTES):
        left = part
        while left:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(left)
            left = frame.unused_data
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("the compressed data end too early")


def _buffered(parts: Iterable[bytes]) -> "io.BufferedReader[Any]":
    return io.BufferedReader(_Parts(parts), BUFFER)


class _Parts(io.RawIOBase):
    """A stream of bytes that come in parts of any length."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._left = memoryview(b"")
        self.consumed = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while not self._left:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._left = memoryview(part)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        self.consumed += count
        return count


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Around reading only: a database that is lost meanwhile is an OSError too."""
    try:
        yield
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise UsageError(f"{name}: cannot be read to its end: {error}") from error


def lines(file: Input) -> Iterator[bytes]:
    """Lines; of one that is too long only its beginning, which is one byte too long."""
    with readable(file.name):
        while line := file.stream.readline(MAX_LINE_BYTES + 1):
            yield line
            while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                line = file.stream.readline(MAX_LINE_BYTES + 1)


def blocks(file: Input) -> Iterator[bytes]:
    """Lines, many at once; UsageError where one is longer than MAX_LINE_BYTES."""
    number, begun = 1, [b""]
    with readable(file.name):
        for part in _parts(file.stream):
            ended, newline, rest = part.rpartition(b"\n")
            if newline:
                block = b"".join((*begun, ended, newline))
                number += block.count(b"\n")
                yield block
                begun = [rest]
            else:
                begun.append(part)
            if sum(map(len, begun)) > MAX_LINE_BYTES:
                raise UsageError(f"{file.name}:{number}: the line is longer than {MAX_LINE_BYTES} bytes")
    yield b"".join(begun)


def source_name(path: str) -> str:
    """The file's without folder and compression, as releases before 0.4 made ids from it."""
    return Path(path).name.removesuffix(".gz").removesuffix(".zst")
