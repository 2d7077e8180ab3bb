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
    beginning: bytes
    """The first BUFFER bytes, or all where there are fewer."""

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
            beginning = stream.read(BUFFER)  # whole, also of a pipe that gives it bit by bit
            size = None if path == STDIN else Path(path).stat().st_size
        for magic, what in _FOREIGN.items():
            if beginning.startswith(magic):
                raise UsageError(f"{path}: {what}")
        whole = io.BufferedReader(_Headed(beginning, stream), BUFFER)
        yield Input(name=path, stream=whole, stored=stored, size=size, beginning=beginning)


def _unpacked(stored: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    beginning = stored.peek(4)
    if beginning.startswith(_GZIP):
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stored)), BUFFER)
    if beginning.startswith(_ZSTD):
        return io.BufferedReader(_Zstd(stored), BUFFER)
    return stored


def _recoded(stream: "io.BufferedReader[Any]") -> "io.BufferedReader[Any]":
    """UTF-16 is known by its mark of byte order."""
    encoding = _BOMS.get(stream.peek(2)[:2])
    if encoding is None:
        return stream
    stream.read(2)
    return io.BufferedReader(_Recoded(stream, encoding), BUFFER)


class _Zstd(io.RawIOBase):
    """Frame after frame; EOFError where the last one has no end."""

    def __init__(self, stream: "io.BufferedReader[Any]") -> None:
        self._stream = stream
        self._frame: Any = None
        self._packed = b""
        self._left = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while not self._left:
            self._packed = self._packed or self._stream.read(BUFFER)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("the compressed data end too early")
                return 0
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._left, self._packed = self._frame.decompress(self._packed), b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


class _Headed(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, stream: "io.BufferedReader[Any]") -> None:
        self._head = head
        self._stream = stream

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        if not self._head:
            return self._stream.readinto(buffer)
        count = min(len(buffer), len(self._head))
        buffer[:count], self._head = self._head[:count], self._head[count:]
        return count


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
