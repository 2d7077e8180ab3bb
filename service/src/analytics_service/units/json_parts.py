"""JSON in parts of bounded size: one call for a whole answer would hold the event loop while it works. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from analytics_service.units import decimals

PART_CHARACTERS: Final = 40 * 1024
"""Encoded at once: at most 240 KiB, of control characters, which take six bytes each. A member that is encoded already
(orjson.Fragment) is copied, and may be longer."""
_SCALAR_BYTES: Final = 24
_SCALARS: Final = frozenset({bool, Decimal, datetime, float, int, type(None)})
_MAX_SHORT_LIST: Final = 64
"""Longer lists are looked into."""


def parts(value: object) -> Iterator[bytes]:
    """Yields the JSON of `value` as decimals.dumps writes it; an iterator is written as a list."""
    if isinstance(value, dict):
        yield from _object(value)
    elif isinstance(value, str):
        yield from _text(value)
    elif isinstance(value, list | Iterator):
        yield b"["
        for number, batch in enumerate(_batches(value)):
            yield b"," if number else b""
            yield from batch
        yield b"]"
    else:
        yield decimals.dumps(value)


def _object(members: dict[str, Any]) -> Iterator[bytes]:
    if _weight(members) is not None:
        yield decimals.dumps(members)
        return
    for number, (name, value) in enumerate(members.items()):
        yield (b"," if number else b"{") + decimals.dumps(name) + b":"
        yield from parts(value)
    yield b"}"


def _text(text: str) -> Iterator[bytes]:
    """Characters are escaped one by one, so slices of a text are encoded as the whole is."""
    if len(text) <= PART_CHARACTERS:
        yield decimals.dumps(text)
        return
    yield b'"'
    for start in range(0, len(text), PART_CHARACTERS):
        yield decimals.dumps(text[start : start + PART_CHARACTERS])[1:-1]
    yield b'"'


def _batches(items: Iterable[object]) -> Iterator[Iterable[bytes]]:
    """Yields the parts of neighbours: small ones together, since a call for each would cost more than its work."""
    batch, size = list[object](), 0
    for item in items:
        weight = _weight(item)
        if batch and (weight is None or size + weight > PART_CHARACTERS):
            yield (decimals.dumps(batch)[1:-1],)
            batch, size = [], 0
        if weight is None:
            yield parts(item)
        else:
            batch.append(item)
            size += weight
    if batch:
        yield (decimals.dumps(batch)[1:-1],)


def _weight(value: object) -> int | None:
    """Returns about how many characters the value has; None where it has to be looked into."""
    if isinstance(value, str):
        return len(value) if len(value) <= PART_CHARACTERS else None
    if isinstance(value, Iterator):
        return None
    if not isinstance(value, dict | list):
        return _SCALAR_BYTES
    if isinstance(value, list) and len(value) > _MAX_SHORT_LIST:
        return None
    total = 0
    for member in value.values() if isinstance(value, dict) else value:
        kind = type(member)
        weight = len(member) if kind is str else _SCALAR_BYTES if kind in _SCALARS else _flat_weight(member)
        if weight is None:
            return None
        total += weight + _SCALAR_BYTES
    return total if total <= PART_CHARACTERS else None


def _flat_weight(value: object) -> int | None:
    """Returns the weight of a member, which may be a short list of texts or numbers and nothing deeper."""
    if isinstance(value, dict | Iterator):
        return None
    if not isinstance(value, list):
        return _SCALAR_BYTES
    if len(value) > _MAX_SHORT_LIST or any(isinstance(one, dict | list) for one in value):
        return None
    return sum(len(one) if isinstance(one, str) else _SCALAR_BYTES for one in value)
