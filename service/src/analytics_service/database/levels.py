"""The levels of detail that a question can be answered from, and which one answers it cheapest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

_DAY = timedelta(days=1)


class Level(StrEnum):
    """Raw requests, or a rollup; the value is the name that users see, `table` is where its rows are."""

    RAW = "raw"
    MIN1 = "traces_1min"
    MIN15 = "traces_15min"
    HOUR = "traces_1hour"
    DAY = "traces_1day"

    @property
    def step(self) -> timedelta:
        """The width of a bucket; zero for raw."""
        return _STEPS[self]

    @property
    def code(self) -> str:
        """The name in the dirty log."""
        return self.value.removeprefix("traces_")

    @property
    def table(self) -> str:
        """The table that the rows are read from."""
        return "traces" if self is Level.RAW else f"rollup_{self.code}"


_STEPS = {
    Level.RAW: timedelta(0),
    Level.MIN1: timedelta(minutes=1),
    Level.MIN15: timedelta(minutes=15),
    Level.HOUR: timedelta(hours=1),
    Level.DAY: _DAY,
}
ROLLUPS = (Level.MIN1, Level.MIN15, Level.HOUR, Level.DAY)


def choose(*, start: datetime, end: datetime, zone: tzinfo = UTC, width: timedelta | None = None) -> Level:
    """The coarsest level whose buckets never cross a boundary of the answer's buckets, counted from local midnight.

    No `width` asks for one total, whose ends may lie anywhere: what does not fill a bucket is read from raw.
    """
    offsets = frozenset(_offsets(start, end, zone)) if width is not None else frozenset({timedelta(0)})
    for level in reversed(ROLLUPS):
        if _fits(level.step, width, end - start) and not any(offset % level.step for offset in offsets):
            return level
    return Level.RAW


def _fits(step: timedelta, width: timedelta | None, length: timedelta) -> bool:
    if width is None:
        return step <= length
    return not width % step and (width <= _DAY or not width % _DAY)


def _offsets(start: datetime, end: datetime, zone: tzinfo) -> Iterator[timedelta]:
    """Every distance from UTC that holds for a day or longer in the range."""
    moment = start.astimezone(UTC)
    while moment < end:
        yield moment.astimezone(zone).utcoffset() or timedelta(0)
        moment += _DAY
    yield end.astimezone(zone).utcoffset() or timedelta(0)
