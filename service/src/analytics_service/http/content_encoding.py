"""Bodies of requests as they were before they were compressed: bounded in bytes, whatever a small body expands to."""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import zstandard

IDENTITY: Final = "identity"
_PART_BYTES: Final = 64 * 1024
_ZSTD_INPUT_BYTES: Final = 512
"""Given to the decompressor at once, which has no bound of its own: a block of 128 KiB may be 4 bytes."""
_MAX_ZSTD_WINDOW: Final = 8 * 2**20


class TooLong(Exception):
    """The body has more bytes than are allowed."""


class NotEncoded(Exception):
    """The body is not encoded as its header says, or ends too early."""


def _zlib(window: int) -> Callable[[bytes], Iterator[bytes]]:
    def inflate(data: bytes) -> Iterator[bytes]:
        while data:  # one member after the other
            unpacker = zlib.decompressobj(window)
            while part := unpacker.decompress(data, _PART_BYTES):
                data = unpacker.unconsumed_tail
                yield part
            if not unpacker.eof:
                raise NotEncoded
            data = unpacker.unused_data

    return inflate


def _deflate(data: bytes) -> Iterator[bytes]:
    """With the header of zlib, as HTTP has it, or without, as some clients send it."""
    has_header = bool(data) and data[0] & 0x0F == 8
    return _zlib(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)(data)


def _zstd(data: bytes) -> Iterator[bytes]:
    while data:  # one frame after the other
        unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW).decompressobj()
        position = 0
        while not unpacker.eof:
            part = data[position : position + _ZSTD_INPUT_BYTES]
            if not part:
                raise NotEncoded
            position += len(part)
            yield unpacker.decompress(part)
        data = unpacker.unused_data + data[position:]


DECODERS: Final[Mapping[str, Callable[[bytes], Iterator[bytes]]]] = MappingProxyType(
    {"gzip": _zlib(zlib.MAX_WBITS | 16), "deflate": _deflate, "zstd": _zstd}
)
"""By the name in Content-Encoding."""


async def decoded(data: bytes, encoding: str, *, limit: int) -> bytes:
    """The bytes that were encoded; TooLong or NotEncoded. Yields to the loop between parts."""
    parts: list[bytes] = []
    size = paused = 0
    try:
        for part in DECODERS[encoding](data):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise TooLong
            if size - paused > _PART_BYTES:
                paused = size
                await asyncio.sleep(0)
    except (zlib.error, zstandard.ZstdError):
        raise NotEncoded from None
    return b"".join(parts)
