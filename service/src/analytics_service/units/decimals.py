"""Numbers of answers: money and counts are exact, quotients are rounded in one place."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce
from typing import Annotated, Any

import orjson
from pydantic import WithJsonSchema

PLACES = Decimal(1).scaleb(-12)
_WIDE = Context(prec=100, rounding=ROUND_HALF_EVEN)
"""Wide enough that only `quotient` ever rounds."""

Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]
"""A number literal in plain notation with all of its digits."""


def quotient(dividend: Decimal | int, divisor: Decimal | int) -> Decimal | None:
    """Rounded half-even to 12 places; None when there is nothing to divide by."""
    if divisor == 0:
        return None
    return rounded(_WIDE.divide(Decimal(dividend), Decimal(divisor)))


def rounded(value: Decimal) -> Decimal:
    """Half-even to 12 places."""
    return _WIDE.quantize(value, PLACES)


def total(values: Iterable[Decimal]) -> Decimal:
    """Exact sum; the built-in one rounds to the 28 digits of the default context."""
    return reduce(_WIDE.add, values, Decimal(0))


def difference(one: Decimal, other: Decimal) -> Decimal:
    """Exact; the operator rounds to the 28 digits of the default context."""
    return _WIDE.subtract(one, other)


def product(one: Decimal | int, other: Decimal | int) -> Decimal:
    return _WIDE.multiply(Decimal(one), Decimal(other))


def per_cent(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    return quotient(product(part, 100), whole)


def change(before: Decimal | int, after: Decimal | int) -> Decimal | None:
    """Per cent from `before` to `after`; None from zero, since every growth from nothing is infinite."""
    return per_cent(_WIDE.subtract(Decimal(after), Decimal(before)), before)


def milliseconds(microseconds: Decimal | int) -> Decimal:
    return _WIDE.scaleb(Decimal(microseconds), Decimal(-3))


def plain(number: Decimal) -> str:
    """All digits, no exponent, no zeros at the end: 0.00001200 is 0.000012."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def dumps(value: object) -> bytes:
    """JSON in UTF-8; a Decimal becomes a number literal and never passes through binary float."""
    return orjson.dumps(value, default=_literal, option=orjson.OPT_UTC_Z)


def _literal(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value).encode())
    raise TypeError(f"{type(value).__name__} is no part of an answer")
