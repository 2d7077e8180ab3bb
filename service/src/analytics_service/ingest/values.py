"""Values of a file: each function takes text (CSV) or a JSON value and returns the value to store. Pure.

Every limit is the twin of a CHECK of the table `traces`: what passes here passes there. ValueError says the reason.
"""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

Parse: TypeAlias = Callable[[Any], object]

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
LARGEST: Final = 2**63 - 1
COST_LIMIT: Final = Decimal(10**9)
COST_PLACES: Final = 12
_CACHED_TEXTS: Final = 10_000
_STATUSES = {
    "OK": "OK",
    "ERROR": "ERROR",
    "UNSET": "UNSET",
    "STATUS_CODE_OK": "OK",
    "STATUS_CODE_ERROR": "ERROR",
    "STATUS_CODE_UNSET": "UNSET",
    "SUCCESS": "OK",
}
_BOOLEANS = {"true": True, "t": True, "1": True, "yes": True, "false": False, "f": False, "0": False, "no": False}


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

    return parse


def cached(parse: Parse) -> Parse:
    """The same, with a cache for texts that come again and again."""
    parse_text = lru_cache(maxsize=_CACHED_TEXTS)(parse)

    def parse_any(value: Any) -> object:
        return parse_text(value) if type(value) is str else parse(value)

    return parse_any


def _utf8_size(value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("is not valid UTF-8") from None


def timestamp(value: Any) -> datetime:
    """A moment in UTC; what names no zone is UTC. Digits after the microsecond are cut off, as PostgreSQL keeps six."""
    if not isinstance(value, str):
        raise ValueError("is not a timestamp in text, as 2023-11-16T18:17:03.97996Z")  # noqa: TRY004 - as above
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is not UTC:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{value[:40]!r} is not a timestamp, as 2023-11-16T18:17:03.97996Z") from None
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"{value[:40]!r} is not between 1970 and 2200")
    return moment


def count(value: Any) -> int:
    """A whole number from 0 to 2^63 - 1."""
    if isinstance(value, str) and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    number = _decimal(value)
    if number != number.to_integral_value() or not 0 <= number <= LARGEST:
        raise ValueError(f"{str(value)[:40]!r} is not a whole number from 0 to {LARGEST}")
    return int(number)


def duration(microseconds: Decimal) -> Parse:
    """A duration given in a unit of so many microseconds, rounded half to even to whole microseconds."""
    factor = int(microseconds)

    def parse(value: Any) -> int:
        if factor and isinstance(value, str) and len(value) < 13 and value.isascii() and value.isdigit():
            return int(value) * factor
        number = _decimal(value)
        if not 0 <= number <= LARGEST:
            raise ValueError(f"{str(value)[:40]!r} is not a duration")
        rounded = int((number * microseconds).to_integral_value())
        if rounded > LARGEST:
            raise ValueError(f"{str(value)[:40]!r} is too long a duration")
        return rounded

    return parse


def cost(value: Any) -> Decimal:
    """US dollars from 0 to below a thousand million, with at most 12 decimal places; never rounded."""
    number = _decimal(value)
    if not 0 <= number < COST_LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is not a cost from 0 to below {COST_LIMIT}")
    if _places(number) > COST_PLACES:
        number = number.normalize()
        if _places(number) > COST_PLACES:
            raise ValueError(f"{str(value)[:40]!r} has more than {COST_PLACES} decimal places")
    return number


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{str(value)[:40]!r} is not a number")  # noqa: TRY004 - as above
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{str(value)[:40]!r} is not a number") from None
    if not number.is_finite() or number.adjusted() > 30:  # an exponent of a million would fill the memory later
        raise ValueError(f"{str(value)[:40]!r} is not a number that can be stored")
    return number


def boolean(value: Any) -> bool:
    """True or false, in any of the spellings that files use."""
    known = value if isinstance(value, bool) else _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise ValueError(f"{str(value)[:40]!r} is neither true nor false")
    return bool(known)


def status(value: Any) -> str:
    """OK, ERROR or UNSET, as OpenTelemetry names them."""
    known = _STATUSES.get(str(value).strip().upper())
    if known is None:
        raise ValueError(f"{str(value)[:40]!r} is not one of OK, ERROR, UNSET")
    return known


def tags(value: Any) -> list[str]:
    """A list of at most 64 texts: a JSON list, or text with commas between."""
    if isinstance(value, str):
        value = load_json(value) if value.lstrip().startswith("[") else [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or len(value) > 64:
        raise ValueError("is not a list of at most 64 texts")
    parse = text(256)
    return [str(parse(part)) for part in value]


def attributes(value: Any) -> str:
    """A JSON object of at most 1 MiB, as text."""
    if isinstance(value, str):
        value = load_json(value)
    if not isinstance(value, Mapping):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - as above
    _check_json(value, levels=64)
    dumped = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_double, separators=(",", ":"))
    text(2**20)(dumped)
    return dumped


def _check_json(value: Any, *, levels: int) -> None:
    """Refuses what json can say and jsonb cannot keep: NUL, and nesting that would exhaust the server's stack."""
    if levels == 0:
        raise ValueError("is nested deeper than 64 levels")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("has a NUL character, which PostgreSQL cannot store")
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _check_json(part, levels=levels - 1)


def _double(value: object) -> float:
    if isinstance(value, Decimal) and math.isfinite(float(value)):
        return float(value)
    raise ValueError("holds a number that cannot be stored")


def load_json(line: str) -> Any:
    """The JSON value of a text: numbers with a point are exact, and NaN is refused."""
    try:
        return json.loads(line, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"holds {name}, which is no JSON number")
