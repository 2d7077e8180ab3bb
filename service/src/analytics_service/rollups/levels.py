"""The levels of detail that a question can be answered from, and the selection of the cheapest one. Pure."""

from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from analytics_service.units import zones

_DAY = timedelta(days=1)
_NO_OFFSET = frozenset({timedelta(0)})


class Level(StrEnum):
    """Raw requests, or a rollup; the value is the name that users see."""

    RAW = "raw"
    MIN1 = "traces_1min"
    MIN15 = "traces_15min"
    HOUR = "traces_1hour"
    DAY = "traces_1day"
    DAY_USER = "traces_1day_user"
    DAY_TEAM = "traces_1day_team"
    DAY_TAG = "traces_1day_tag"

    @property
    def step(self) -> timedelta:
        """The width of a bucket; zero for raw."""
        return _STEPS[self]


_STEPS = {
    Level.RAW: timedelta(0),
    Level.MIN1: timedelta(minutes=1),
    Level.MIN15: timedelta(minutes=15),
    Level.HOUR: timedelta(hours=1),
    Level.DAY: _DAY,
    Level.DAY_USER: _DAY,
    Level.DAY_TEAM: _DAY,
    Level.DAY_TAG: _DAY,
}
TOTALS = (Level.MIN1, Level.MIN15, Level.HOUR, Level.DAY)
"""Sums by the dimensions, from fine to coarse."""


def choose(*, start: datetime, end: datetime, zone: tzinfo = UTC, width: timedelta | None = None) -> Level:
    """The coarsest of TOTALS whose buckets never cross a boundary of the answer's buckets.

    Those are counted from local midnight. No `width` asks for one total, whose ends may lie anywhere: parts that do not
    fill a bucket are read from a finer level.
    """
    offsets = _offsets(start, end, zone) if width is not None else frozenset()
    return next((level for level in reversed(TOTALS) if _fits(level.step, width, end - start, offsets)), Level.RAW)


class _Stepped(Protocol):
    """A level, or a table of a sketch."""

    @property
    def step(self) -> timedelta: ...


def fits(level: _Stepped, *, start: datetime, end: datetime, zone: tzinfo, width: timedelta) -> bool:
    """Whether no bucket of the level crosses a boundary of the answer's buckets."""
    return _fits(level.step, width, end - start, _offsets(start, end, zone))


def _fits(step: timedelta, width: timedelta | None, length: timedelta, offsets: frozenset[timedelta]) -> bool:
    if width is None:
        return step <= length
    return not (width % step or (width > _DAY and width % _DAY) or any(offset % step for offset in offsets))


def _offsets(start: datetime, end: datetime, zone: tzinfo) -> frozenset[timedelta]:
    """Every distance from UTC that holds for a day or longer in the range."""
    if zone is UTC or (isinstance(zone, ZoneInfo) and zone.key == zones.UTC):
        return _NO_OFFSET
    first = start.astimezone(UTC)
    moments = [first + number * _DAY for number in range(-((first - end) // _DAY))]
    return frozenset(moment.astimezone(zone).utcoffset() or timedelta(0) for moment in (*moments, end))
