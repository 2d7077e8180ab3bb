"""Times of a file: text in many forms, or a number of which the unit is clear. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from analytics_service.ingest.values import Parse, Together, decimal

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class TimeUnit(StrEnum):
    """Of a time that is a number, since 1970."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


_MICROSECONDS: Final = {
    TimeUnit.SECONDS: Decimal(1_000_000),
    TimeUnit.MILLISECONDS: Decimal(1_000),
    TimeUnit.MICROSECONDS: Decimal(1),
    TimeUnit.NANOSECONDS: Decimal("0.001"),
}
_SIZES: Final = {
    TimeUnit.SECONDS: range(10**8, 10**10),
    TimeUnit.MILLISECONDS: range(10**11, 10**13),
    TimeUnit.MICROSECONDS: range(10**14, 10**16),
    TimeUnit.NANOSECONDS: range(10**17, 10**19),
}
"""From 1973 on the unit of a number is known by its size; a smaller number is no time without its unit."""
_LAST_TIME: Final = (LATEST - EARLIEST).total_seconds()
_LAST_NANOSECOND: Final = int(_LAST_TIME) * 10**9


def timestamp(value: Any) -> datetime:
    """A moment in UTC; what names no zone is UTC. Digits after the microsecond are cut off, as PostgreSQL keeps six.

    A number is the time since 1970, in the unit that its size tells; one that is too small for that is refused, so that
    20261120 is taken neither for a day nor for seconds.
    """
    if not isinstance(value, str) or (value[:5].isdecimal() and _is_number(value)):  # a day has a hyphen there
        return _epoch(value, None)
    try:
        moment = datetime.fromisoformat(value.strip(' "'))  # exports to CSV quote some twice
        if moment.tzinfo is not UTC:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{value[:40]!r} is not a timestamp, as 2023-11-16T18:17:03.97996Z") from None
    if not EARLIEST.year <= moment.year < LATEST.year:
        raise ValueError(f"{value[:40]!r} is not between 1970 and 2200")
    return moment


def timestamps(column: Sequence[Any]) -> Sequence[datetime] | None:
    """As `timestamp`, of a column in ISO 8601 and one zone: UTC, or none that is named."""
    if type(column[0]) is not str or any(text[4:5] != "-" for text in column):
        return None
    try:
        moments = list(map(datetime.fromisoformat, column))
    except ValueError:
        return None
    zones = {moment.tzinfo for moment in moments}
    if zones == {None}:
        moments = [moment.replace(tzinfo=UTC) for moment in moments]
    elif zones != {UTC}:
        return None
    return moments if min(moments) >= EARLIEST and max(moments) < LATEST else None


TIMESTAMP: Final = Together(one=timestamp, many=timestamps)


def time_in(unit: TimeUnit) -> Parse:
    """A time since 1970 in that unit; text that is no number is read as `timestamp` reads it."""

    def parse(value: Any) -> datetime:
        if isinstance(value, str) and not _is_number(value):
            return timestamp(value)
        return _epoch(value, unit)

    return parse


def _is_number(value: str) -> bool:
    try:
        Decimal(value)
    except InvalidOperation:
        return False
    return True


def _epoch(value: Any, unit: TimeUnit | None) -> datetime:
    if unit is TimeUnit.NANOSECONDS and type(value) is int and 0 <= value < _LAST_NANOSECOND:
        return EARLIEST + timedelta(microseconds=value // 1_000)  # as spans have it, without a decimal between
    try:
        number = decimal(value)
    except ValueError:
        raise ValueError(f"{str(value)[:40]!r} is not a timestamp, as 2023-11-16T18:17:03.97996Z") from None
    if unit is None:
        unit = next((each for each, sizes in _SIZES.items() if int(number) in sizes), None)
        if unit is None:
            raise ValueError(f"{str(value)[:40]!r} is no time whose unit is clear: give --time-unit s, ms, us or ns")
    microseconds = number * _MICROSECONDS[unit]
    if not 0 <= microseconds < _LAST_TIME * 1_000_000:
        raise ValueError(f"{str(value)[:40]!r} is not between 1970 and 2200")
    return EARLIEST + timedelta(microseconds=int(microseconds))
