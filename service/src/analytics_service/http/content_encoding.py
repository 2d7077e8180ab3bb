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
_MAX_MEMBERS: Final = 1_000
"""Or frames, one after the other: each costs as much as kilobytes of content, and may have none."""
_MAX_ZSTD_WINDOW: Final = 8 * 2**20


class TooLong(Exception):
    """The body has more bytes than are allowed."""


class NotEncoded(Exception):
    """The body is not encoded as its header says, or ends too early."""


def _zlib(window: int) -> Callable[[bytes], Iterator[bytes]]:
    def inflate(data: bytes) -> Iterator[bytes]:
        position = 0
        for _ in range(_MAX_MEMBERS):
            if position == len(data):
                return
            unpacker = zlib.decompressobj(window)
            while not unpacker.eof:
                given = data[position : position + _PART_BYTES]
                part = unpacker.decompress(given, _PART_BYTES)
                used = len(given) - len(unpacker.unused_data or unpacker.unconsumed_tail)
                if not part and not used:
                    raise NotEncoded
                position += used
                yield part
        raise NotEncoded

    return inflate


def _deflate(data: bytes) -> Iterator[bytes]:
    """With the header of zlib, as HTTP has it, or without, as some clients send it."""
    has_header = bool(data) and data[0] & 0x0F == 8
    return _zlib(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)(data)


def _zstd(data: bytes) -> Iterator[bytes]:
    position = 0
    for _ in range(_MAX_MEMBERS):
        if position == len(data):
            return
        unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW).decompressobj()
        while not unpacker.eof:
            part = data[position : position + _ZSTD_INPUT_BYTES]
            if not part:
                raise NotEncoded
            position += len(part)
            yield unpacker.decompress(part)
        position -= len(unpacker.unused_data)
    raise NotEncoded


DECODERS: Final[Mapping[str, Callable[[bytes], Iterator[bytes]]]] = MappingProxyType(
    {"gzip": _zlib(zlib.MAX_WBITS | 16), "deflate": _deflate, "zstd": _zstd}
)
"""By the name in Content-Encoding."""


async def decoded(data: bytes, encoding: str, *, limit: int, took: Callable[[int], None]) -> bytes:
    """The bytes that were encoded; TooLong or NotEncoded. Yields to the loop between parts, whose sizes `took` gets."""
    parts: list[bytes] = []
    size = paused = 0
    try:
        for part in DECODERS[encoding](data):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise TooLong
            took(len(part))
            if size - paused > _PART_BYTES:
                paused = size
                await asyncio.sleep(0)
    except (zlib.error, zstandard.ZstdError):
        raise NotEncoded from None
    return b"".join(parts)
