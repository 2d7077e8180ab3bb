"""Values of a file: each function takes text (CSV) or a JSON value and returns the value to store. Pure.

Every limit is the twin of a CHECK of the table `traces`: what passes here passes there. ValueError says the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeAlias

from analytics_service.pricing.rates import rounded

Parse: TypeAlias = Callable[[Any], object]

LARGEST: Final = 2**63 - 1
COST_LIMIT: Final = Decimal(10**9)
COST_PLACES: Final = 12
_HALF_EVEN: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
MAX_WEIGHT: Final = 10**12
AMOUNT_LIMIT: Final = Decimal(10**12)
AMOUNT_PLACES: Final = 6
_NO_TIME: Final = timedelta(0)
_MICROSECOND: Final = timedelta(microseconds=1)
_SMALLEST_AMOUNT: Final = Decimal(1).scaleb(-AMOUNT_PLACES)
_CACHED_TEXTS: Final = 10_000
_STATUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "OK": ("OK", "STATUS_CODE_OK", "SUCCESS", "SUCCEEDED", "SUCCESSFUL", "COMPLETED", "COMPLETE", "DONE", "PASSED"),
    "ERROR": (
        *("ERROR", "STATUS_CODE_ERROR", "FAILURE", "FAILED", "FAIL", "EXCEPTION", "TIMEOUT", "TIMED_OUT", "CANCELLED"),
        *("CANCELED", "ABORTED", "REJECTED"),
    ),
    "UNSET": ("UNSET", "STATUS_CODE_UNSET", "DEFAULT", "DEBUG", "INFO", "WARNING", "PENDING", "RUNNING", "UNKNOWN"),
}
"""The spellings of each status: those of OpenTelemetry, gateways and batches, and levels of observations."""
_STATUS_OF: Final = {spelling: status for status, spellings in _STATUSES.items() for spelling in spellings}
_NOTHING: Final = frozenset({"none", "null", ""})
_BOOLEANS = {"true": True, "t": True, "1": True, "yes": True, "false": False, "f": False, "0": False, "no": False}


class Rounded(Decimal):
    """A cost that came with more decimal places than are stored."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Together:
    """Reads a value, or a column of them at once."""

    one: Parse
    many: Callable[[Sequence[Any]], Sequence[object] | None]
    """What `one` makes of each of at least one values of one type; None where each has to be looked at by itself."""

    def __call__(self, value: Any) -> object:
        return self.one(value)


def cached(parse: Parse) -> Parse:
    """The same, with a cache for texts that come again and again."""
    parse_text = lru_cache(maxsize=_CACHED_TEXTS)(parse)

    def parse_any(value: Any) -> object:
        return parse_text(value) if type(value) is str else parse(value)

    return parse_any


def count(value: Any) -> int:
    """A whole number from 0 to 2^63 - 1."""
    if isinstance(value, str) and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    if type(value) is int and 0 <= value <= LARGEST:
        return value
    number = decimal(value)
    if number != number.to_integral_value() or not 0 <= number <= LARGEST:
        raise ValueError(f"{str(value)[:40]!r} is not a whole number from 0 to {LARGEST}")
    return int(number)


def counts(column: Sequence[Any]) -> Sequence[int] | None:
    """As `count`, of a column."""
    numbers: Sequence[int] | None = None
    if type(column[0]) is int:
        numbers = column
    elif type(column[0]) is str:
        digits = "".join(column)
        if digits.isascii() and digits.isdigit() and "" not in column and max(map(len, column)) < 19:
            numbers = list(map(int, column))
    return numbers if numbers is not None and min(numbers) >= 0 and max(numbers) <= LARGEST else None


def weight(value: Any) -> int:
    """A number of requests: whole, from 1 to 10^12."""
    number = count(value)
    if not 1 <= number <= MAX_WEIGHT:
        raise ValueError(f"{str(value)[:40]!r} is not a number of requests from 1 to {MAX_WEIGHT}")
    return number


def amount(value: Any) -> Decimal:
    """A number from 0 to below 10^12 with at most six decimal places, as seconds of audio and billed units."""
    number = decimal(value)
    if not 0 <= number < AMOUNT_LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is not a number from 0 to below {AMOUNT_LIMIT}")
    if _places(number) > AMOUNT_PLACES:
        number = number.quantize(_SMALLEST_AMOUNT, context=_HALF_EVEN)
    return min(number, AMOUNT_LIMIT - _SMALLEST_AMOUNT)


def duration(microseconds: Decimal) -> Parse:
    """A duration given in a unit of so many microseconds, or as such, rounded half to even to whole microseconds."""
    factor = int(microseconds)

    def durations(column: Sequence[Any]) -> Sequence[int] | None:
        whole = counts(column) if factor else None
        return [number * factor for number in whole] if whole is not None and max(whole) < 10**12 else None

    def parse(value: Any) -> int:
        if isinstance(value, timedelta) and value >= _NO_TIME:  # which has a unit of its own
            return value // _MICROSECOND
        if factor and isinstance(value, str) and len(value) < 13 and value.isascii() and value.isdigit():
            return int(value) * factor
        if factor and type(value) is int and 0 <= value < 10**12:
            return value * factor
        number = decimal(value)
        if not 0 <= number <= LARGEST:
            raise ValueError(f"{str(value)[:40]!r} is not a duration")
        whole = int((number * microseconds).to_integral_value())
        if whole > LARGEST:
            raise ValueError(f"{str(value)[:40]!r} is too long a duration")
        return whole

    return Together(one=parse, many=durations)


def cost(value: Any) -> Decimal:
    """US dollars from 0 to below a thousand million; Rounded, half to even, where there are more than 12 places."""
    number = decimal(value)
    if not 0 <= number < COST_LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is not a cost from 0 to below {COST_LIMIT}")
    if _places(number) > COST_PLACES:
        number = number.normalize()
        if _places(number) > COST_PLACES:
            number = Rounded(rounded(number))
            if number >= COST_LIMIT:
                raise ValueError(f"{str(value)[:40]!r} is not a cost from 0 to below {COST_LIMIT}")
    return number


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def decimal(value: Any) -> Decimal:
    """A finite number below 10^31: an exponent of a million would fill the memory later."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{str(value)[:40]!r} is not a number")  # noqa: TRY004 - as above
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{str(value)[:40]!r} is not a number") from None
    if not number.is_finite() or number.adjusted() > 30:
        raise ValueError(f"{str(value)[:40]!r} is not a number that can be stored")
    return number


def optional_boolean(value: Any) -> bool:
    """As `boolean`; what Python and JSON write for nothing is false."""
    return str(value).strip().lower() not in _NOTHING and boolean(value)


def boolean(value: Any) -> bool:
    """True or false, in any of the spellings that files use."""
    known = value if isinstance(value, bool) else _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise ValueError(f"{str(value)[:40]!r} is neither true nor false")
    return bool(known)


def status(value: Any) -> str:
    """OK, ERROR or UNSET, as OpenTelemetry names them: in the spellings of others, or by the code of HTTP."""
    known = _STATUS_OF.get(spelled := str(value).strip().upper().removesuffix(".0"))
    if known is None and len(spelled) == 3 and spelled.isdigit() and "100" <= spelled < "600":
        known = "OK" if spelled < "400" else "ERROR"
    elif spelled == "0" or (len(spelled) < 4 and spelled[:1] == "-" and spelled[1:].isdigit()):
        known = "UNSET" if spelled == "0" else "ERROR"  # of Helicone: pending, and broken off
    if known is None:
        raise ValueError(f"{str(value)[:40]!r} is not one of OK, ERROR, UNSET")
    return known
