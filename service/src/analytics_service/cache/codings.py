"""Content codings of answers: gzip for who accepts it, made in parts so that no callback of the loop works for long."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from enum import StrEnum
from functools import lru_cache
from typing import Final

PART_BYTES: Final = 64 * 1024
"""Compressed, inflated or hashed in one callback of the loop."""
MIN_GZIP_BYTES: Final = 1_400
"""A smaller body fits into a packet or two, and stays as it is."""
_GZIP_LEVEL: Final = 4
"""Half of the time of zlib's default, for 5 to 20 % more bytes."""
_GZIP_WINDOW: Final = 31
"""zlib's number for its largest window in the container of gzip, whose header has no time: equal bodies stay equal."""


class Coding(StrEnum):
    """As in Content-Encoding; IDENTITY is the absence of the header."""

    IDENTITY = "identity"
    GZIP = "gzip"


@lru_cache(maxsize=256)
def accepted(accept_encoding: str) -> Coding:
    """Returns the coding for an Accept-Encoding header, by RFC 9110 12.5.3: gzip where it is not refused."""
    weights = dict(_weight(item) for item in accept_encoding.lower().split(","))
    return Coding.GZIP if weights.get("gzip", weights.get("*", 0.0)) > 0 else Coding.IDENTITY


def _weight(item: str) -> tuple[str, float]:
    name, _, parameters = item.partition(";")
    key, _, value = parameters.partition("=")
    try:
        return name.strip(), float(value) if key.strip() == "q" else 1.0
    except ValueError:
        return name.strip(), 0.0


async def gzipped(body: bytes) -> bytes:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return b"".join([packer.compress(part) async for part in in_parts(body)]) + packer.flush()


async def gunzipped(body: bytes) -> bytes:
    """Inflates what `gzipped` made."""
    unpacker, parts, rest = zlib.decompressobj(_GZIP_WINDOW), list[bytes](), body
    while rest:
        parts.append(unpacker.decompress(rest, PART_BYTES))
        rest = unpacker.unconsumed_tail
        await asyncio.sleep(0)
    return b"".join(parts) + unpacker.flush()


async def in_parts(body: bytes) -> AsyncIterator[bytes]:
    """Yields slices of PART_BYTES, with a turn of the loop between two of them."""
    for start in range(0, len(body), PART_BYTES):
        if start:
            await asyncio.sleep(0)
        yield body[start : start + PART_BYTES]
