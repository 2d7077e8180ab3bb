"""Intervals and their buckets: where each begins is decided here, once, and given to the database as a list."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from analytics_service.units import times, zones
from analytics_service.units.times import Range


class Interval(StrEnum):
    MIN1 = "1min"
    MIN5 = "5min"
    HOUR = "1hour"
    DAY = "1day"

    @property
    def width(self) -> timedelta:
        return _WIDTHS[self]


_WIDTHS: Final = {
    Interval.MIN1: timedelta(minutes=1),
    Interval.MIN5: timedelta(minutes=5),
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
}
_AUTO: Final = (
    (timedelta(hours=6), Interval.MIN1),
    (timedelta(days=1), Interval.MIN5),
    (timedelta(days=14), Interval.HOUR),
)
"""The longest range of each interval, so that a picture has a few hundred points."""


def automatic(length: timedelta) -> Interval:
    return next((interval for longest, interval in _AUTO if length <= longest), Interval.DAY)


def starts(span: Range, interval: Interval, zone: ZoneInfo) -> list[datetime]:
    """Where each bucket of the range begins, in UTC; the first may begin before the range."""
    if zone.key == zones.UTC:  # no change of the clock, so nobody has to be asked where one is
        first = span.start - (span.start - times.EARLIEST) % interval.width
        return [first + number * interval.width for number in range(-((first - span.end) // interval.width))]
    return list(_starts(span, interval, zone))


def _starts(span: Range, interval: Interval, zone: ZoneInfo) -> Iterator[datetime]:
    first = _floor(span.start, interval, zone)
    if interval.width >= Interval.HOUR.width:
        yield from _steps(first, span.end, interval, zone)
        return
    hours = _steps(_floor(span.start, Interval.HOUR, zone), span.end, Interval.HOUR, zone)
    for hour in hours:
        end = following(hour, Interval.HOUR, zone)
        if (
            end - hour == Interval.HOUR.width
        ):  # no change of the clock: to ask the zone each time takes ten times longer
            buckets = iter([hour + number * interval.width for number in range(Interval.HOUR.width // interval.width)])
        else:
            buckets = _steps(hour, end, interval, zone)
        yield from (start for start in buckets if first <= start < span.end)


def _steps(start: datetime, end: datetime, interval: Interval, zone: ZoneInfo) -> Iterator[datetime]:
    while start < end:
        yield start
        start = following(start, interval, zone)


def following(start: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """Where the bucket that begins at `start` ends."""
    if interval is Interval.DAY:  # of 23 to 25 hours: noon of the next day lies safely inside it
        return _floor(start + timedelta(hours=36), interval, zone)
    return _floor(start + interval.width, interval, zone)


def _floor(instant: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    match interval:
        case Interval.MIN1:
            return times.floor(instant, "m", zone)
        case Interval.MIN5:
            minute = times.floor(instant, "m", zone)
            return minute - timedelta(minutes=minute.minute % 5)
        case Interval.HOUR:
            return times.floor(instant, "h", zone)
        case Interval.DAY:
            return times.floor(instant, "d", zone)


def overlap(starts_: list[datetime], number: int, span: Range) -> Range:
    """Returns the part of bucket `number` that lies in the range."""
    end = starts_[number + 1] if number + 1 < len(starts_) else span.end
    return Range(max(starts_[number], span.start), min(end, span.end))
