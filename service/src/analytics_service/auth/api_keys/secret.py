"""Secrets of API keys: `llmo_sk_`, 256 random bits, and a checksum, in letters and digits alone. Pure.

So a key is one word to select, needs no escape in a URL, a shell or the colon of Basic, and whoever scans text for lost
secrets, or gets one with a typing error, can tell a key from other words without asking a service.
"""

import re
import string
from hashlib import sha256
from typing import Final
from zlib import crc32

PREFIX: Final = "llmo_sk_"
RANDOM_BYTES: Final = 32
_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_CHARACTERS: Final = 43
_CHECKSUM_CHARACTERS: Final = 6
_SHOWN_CHARACTERS: Final = 6
_SHAPE: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_CHARACTERS + _CHECKSUM_CHARACTERS}}}")


def encoded(random: bytes) -> str:
    """The secret of RANDOM_BYTES."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a secret is made of {RANDOM_BYTES} random bytes, not of {len(random)}")
    text = PREFIX + _base62(int.from_bytes(random, "big"), _RANDOM_CHARACTERS)
    return text + _checksum(text)


def is_valid(text: str) -> bool:
    """Whether the text has the form of a secret, and its checksum is right."""
    body, checksum = text[:-_CHECKSUM_CHARACTERS], text[-_CHECKSUM_CHARACTERS:]
    return _SHAPE.fullmatch(text) is not None and _checksum(body) == checksum


def digest(text: str) -> bytes:
    """The hash that a key is stored and found by. A secret of 256 random bits needs no salt, and no slow hash."""
    return sha256(text.encode()).digest()


def shown(text: str) -> str:
    """The part of a secret that people may see."""
    return text[: len(PREFIX) + _SHOWN_CHARACTERS]


def identifier(random: bytes) -> str:
    """The id of a key, which is no secret."""
    return f"key_{random.hex()}"


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CHECKSUM_CHARACTERS)


def _base62(number: int, length: int) -> str:
    characters = list[str]()
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
