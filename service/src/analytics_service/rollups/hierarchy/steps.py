"""The steps of a rollup, from minutes to days: each is a whole number of the finer ones, counted from 1970. Pure."""

from datetime import timedelta
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """The value is what the log, the tables and the metrics call it."""

    MINUTE = "1min"
    QUARTER = "15min"
    HOUR = "1hour"
    SIX_HOURS = "6hour"
    DAY = "1day"

    @property
    def width(self) -> timedelta:
        return _WIDTHS[self]


_WIDTHS: Final = {
    Step.MINUTE: timedelta(minutes=1),
    Step.QUARTER: timedelta(minutes=15),
    Step.HOUR: timedelta(hours=1),
    Step.SIX_HOURS: timedelta(hours=6),
    Step.DAY: timedelta(days=1),
}
