"""Rows to the bytes of a file, part by part. Pure, but for the package that writes Parquet."""

import csv
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Protocol

import zstandard

from analytics_service.contract.endpoint import Row
from analytics_service.contract.exports import Compression, Format
from analytics_service.endpoints.traces.fields import column, trace
from analytics_service.units import decimals

_GZIP_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 3


class Encoder(Protocol):
    """Of one file: its parts, in order, are `rows` of each part of the rows, and `end`."""

    def rows(self, rows: Sequence[Row], /) -> bytes: ...

    def end(self) -> bytes: ...


class Csv:
    """RFC 4180, with a line of names. No value is an empty field; a list is JSON, as attributes are."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._head = self._lines([fields])

    def rows(self, rows: Sequence[Row]) -> bytes:
        return self._taken() + self._lines([_cell(name, row[column(name)]) for name in self._fields] for row in rows)

    def end(self) -> bytes:
        return self._taken()

    def _taken(self) -> bytes:
        head, self._head = self._head, b""
        return head

    @staticmethod
    def _lines(lines: Any) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        return text.getvalue().encode()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in {"duration_ms", "ttft_ms"}:
        return decimals.plain(decimals.milliseconds(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return decimals.plain(value)
    return decimals.dumps(value).decode() if isinstance(value, list) else str(value)


class JsonLines:
    """A Trace a line, as the list of traces has it."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields

    def rows(self, rows: Sequence[Row]) -> bytes:
        return b"".join(decimals.dumps(trace(row, self._fields)) + b"\n" for row in rows)

    def end(self) -> bytes:
        return b""


class Json:
    """An array of Traces."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._before = b"["

    def rows(self, rows: Sequence[Row]) -> bytes:
        parts = list[bytes]()
        for row in rows:
            parts += self._before, decimals.dumps(trace(row, self._fields))
            self._before = b",\n"
        return b"".join(parts)

    def end(self) -> bytes:
        return b"[]\n" if self._before == b"[" else b"]\n"


class Compressed:
    """What another encoder writes, through a compressor."""

    def __init__(self, encoder: Encoder, compressor: Any) -> None:
        self._encoder = encoder
        self._compressor = compressor

    def rows(self, rows: Sequence[Row]) -> bytes:
        compressed: bytes = self._compressor.compress(self._encoder.rows(rows))
        return compressed

    def end(self) -> bytes:
        compressed: bytes = self._compressor.compress(self._encoder.end()) + self._compressor.flush()
        return compressed


_COMPRESSORS: Final[Mapping[Compression, Callable[[], Any]]] = MappingProxyType(
    {
        Compression.GZIP: lambda: zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS),
        Compression.ZSTD: lambda: zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(),
    }
)


def encoder(file_format: Format, compression: Compression, fields: Sequence[str]) -> Encoder:
    """The encoder of a file; ImportError where the package for its format is missing."""
    if file_format is Format.PARQUET:
        from analytics_service.worker.exports.parquet import Parquet  # the package is an extra

        return Parquet(fields, compression)
    texts: Mapping[Format, Callable[[], Encoder]] = {
        Format.CSV: partial(Csv, fields),
        Format.JSON: partial(Json, fields),
        Format.JSONL: partial(JsonLines, fields),
    }
    plain = texts[file_format]()
    return plain if compression is Compression.NONE else Compressed(plain, _COMPRESSORS[compression]())
