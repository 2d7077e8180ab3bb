"""A file, or standard input, as bytes of UTF-8: decompressed and recoded by its first bytes, whatever its name says."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
_BOMS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_FOREIGN: Final = {
    b"PAR1": "is a Parquet file: write it as CSV or JSON lines",
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

    def position(self) -> int:
        """Bytes of the stored file that were read."""
        return self.stored.tell() if self.size is not None else 0


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
            beginning = stream.peek(16)
            size = None if path == STDIN else Path(path).stat().st_size
        for magic, what in _FOREIGN.items():
            if beginning.startswith(magic):
                raise UsageError(f"{path}: {what}")
        yield Input(name=path, stream=stream, stored=stored, size=size)


def _unpacked(stored: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    beginning = stored.peek(4)
    if beginning.startswith(_GZIP):
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stored)), BUFFER)
    if beginning.startswith(_ZSTD):
        reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True, closefd=False)
        return io.BufferedReader(cast("io.RawIOBase", reader), BUFFER)
    return stored


def _recoded(stream: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    """UTF-16 is known by its mark of byte order."""
    encoding = _BOMS.get(stream.peek(2)[:2])
    if encoding is None:
        return stream
    stream.read(2)
    return io.BufferedReader(_Recoded(stream, encoding), BUFFER)


class _Recoded(io.RawIOBase):
    def __init__(self, stream: "io.BufferedReader[Any]", encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._left = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while not self._left:
            read = self._stream.read(len(buffer))
            self._left = self._decoder.decode(read, final=not read).encode()
            if not read:
                break
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
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


def source_name(path: str) -> str:
    """The name that ids are made from: without folder and compression, so that all forms are the same source."""
    return Path(path).name.removesuffix(".gz").removesuffix(".zst")
