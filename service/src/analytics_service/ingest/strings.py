"""Texts and JSON of a file, as PostgreSQL can hold them. Pure.

Every limit is the twin of a CHECK of the table `traces`: what passes here passes there. ValueError says the reason.
"""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from analytics_service.ingest.values import Parse, Together


class Repaired(str):
    """Text in which U+FFFD stands for each character that PostgreSQL cannot hold."""

    __slots__ = ()


class JsonObject(str):
    """Text of a JSON object, as `attributes` makes it."""

    __slots__ = ()


MAX_TAGS: Final = 64
MAX_LEVELS: Final = 64
"""Of lists and objects in one another, and the values in them."""
MAX_ATTRIBUTES: Final = 2**20
"""In bytes, of the object as text."""
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"


def repaired(value: str) -> str:
    """The same text, or a Repaired one: NUL and halves of surrogate pairs cannot be stored."""
    if value.isascii() and "\0" not in value:
        return value
    replaced = _UNSTORABLE.sub(_REPLACEMENT, value)
    return value if replaced == value else Repaired(replaced)


def long_text(limit: int) -> Parse:
    """Text of at most `limit` bytes, repaired; anything but text is kept as JSON, as lists of messages are."""
    parse = text(limit)

    def parse_long(value: Any) -> str:
        storable = repaired(value) if isinstance(value, str) else dump_json(value)
        parse(storable)
        return storable

    return parse_long


def text(limit: int, *, min_bytes: int = 0) -> Parse:
    """Text of `min_bytes` to `limit` bytes in UTF-8, without NUL."""

    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("is not text")  # noqa: TRY004 - bad input, whatever its type
        size = len(value) if value.isascii() else _utf8_size(value)
        if size > limit:
            raise ValueError(f"has {size} bytes, and at most {limit} are kept")
        if size < min_bytes:
            raise ValueError("is empty")
        if "\0" in value:
            raise ValueError("has a NUL character, which PostgreSQL cannot store")
        return value

    def parse_many(column: Sequence[Any]) -> Sequence[str] | None:
        if type(column[0]) is not str:
            return None
        joined = "".join(column)
        plain = joined.isascii() and "\0" not in joined
        sizes = list(map(len, column)) if plain else []
        return column if plain and min_bytes <= min(sizes) and max(sizes) <= limit else None

    return Together(one=parse, many=parse_many)


_TAG: Final = text(256)
_ATTRIBUTES: Final = text(MAX_ATTRIBUTES)


def _utf8_size(value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("is not valid UTF-8") from None


def tags(value: Any) -> list[str]:
    """A list of at most MAX_TAGS texts: a JSON list, or text with commas between."""
    if isinstance(value, str):
        value = load_json(value) if value.lstrip().startswith("[") else [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or len(value) > MAX_TAGS:
        raise ValueError(f"is not a list of at most {MAX_TAGS} texts")
    return [str(_TAG(part)) for part in value]


def attributes(value: Any) -> str:
    """A JSON object of at most 1 MiB, as text; its texts are repaired."""
    if type(value) is JsonObject:
        return value
    if isinstance(value, str):
        value = load_json(value)
    if not isinstance(value, Mapping):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - as above
    dumped = dump_json(value, sort_keys=True)  # which jsonb does not keep, and the identity of a row needs
    _ATTRIBUTES(dumped)
    return dumped


def dump_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON that jsonb can keep, Repaired where a text in it could not be kept as it came."""
    if isinstance(value, dict | list) and not value:
        return str(value)
    cleaned, changed = _storable(value, levels=MAX_LEVELS)
    dumped = json.dumps(
        cleaned, ensure_ascii=False, allow_nan=False, default=double, separators=(",", ":"), sort_keys=sort_keys
    )
    return Repaired(dumped) if changed else dumped


def _storable(value: Any, *, levels: int) -> tuple[Any, bool]:
    """The value with texts that can be stored, and whether any changed; refuses nesting that exhausts a stack."""
    if isinstance(value, str):
        storable = repaired(value)
        return str(storable), storable is not value
    if not isinstance(value, dict | list):
        return value, False
    if levels == 1:
        raise _too_deep()
    changed = False
    parts = []
    for part in itertools.chain.from_iterable(value.items()) if isinstance(value, dict) else value:
        cleaned, differs = _storable(part, levels=levels - 1)
        parts.append(cleaned)
        changed = changed or differs
    if not changed:
        return value, False
    return dict(zip(parts[::2], parts[1::2], strict=True)) if isinstance(value, dict) else parts, True


def check_levels(value: object, levels: int) -> None:
    """ValueError where lists and objects are nested so deep that `dump_json` would refuse them."""
    if isinstance(value, dict | list):
        if levels == 1:
            raise _too_deep()
        for part in value.values() if isinstance(value, dict) else value:
            check_levels(part, levels - 1)


def _too_deep() -> ValueError:
    return ValueError(f"is nested deeper than {MAX_LEVELS} levels")


def double(value: object) -> float:
    """What jsonb keeps of a Decimal; ValueError where that is no number."""
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, Decimal) and math.isfinite(float(value)):
        return float(value)
    raise ValueError("holds a number that cannot be stored")


def load_json(line: str) -> Any:
    """The JSON value of a text: numbers with a point are exact, and NaN is refused."""
    try:
        return _JSON.decode(line)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None


def no_constant(name: str) -> None:
    """Refuses NaN and infinities, which JSON does not have."""
    raise ValueError(f"holds {name}, which is no JSON number")


_JSON: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant)
