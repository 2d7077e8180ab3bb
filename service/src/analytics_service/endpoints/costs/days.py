"""Costs by local day. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Self

from pydantic import model_validator

from analytics_service.contract.endpoint import Row, sum_of
from analytics_service.contract.filters import FilteredParameters
from analytics_service.rollups.incomplete import Incomplete, lost_length
from analytics_service.rollups.levels import Level, choose, fits
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval

_DAY: Final = timedelta(days=1)


class DailyParameters(FilteredParameters):
    """Of a route that needs sums of local days."""

    @model_validator(mode="after")
    def _check_level(self) -> Self:
        if self.user_id is not None and self.level is Level.RAW:
            self.require_raw_range("user_id", "for a tz other than UTC a filter by user")
        return self

    @cached_property
    def level(self) -> Level:
        asked: dict[str, Any] = {"start": self.range.start, "end": self.range.end, "zone": self.zone, "width": _DAY}
        if self.user_id is None:
            return choose(**asked)
        return Level.DAY_USER if fits(Level.DAY_USER, **asked) else Level.RAW


@dataclass(frozen=True, kw_only=True)
class Day:
    """A local day of the range; one without requests is there too, with zeros."""

    day: date
    complete: bool
    """The range holds all of it, it is over, and all of it is kept."""
    cost: Decimal
    requests: Decimal
    priced: Decimal
    """Requests with a cost."""
    unpriced: Decimal
    tokens: Decimal


def days(params: FilteredParameters, rows: Sequence[Row], lost: Sequence[Incomplete]) -> list[Day]:
    """Every local day of which the range holds something that is kept, in order, from rows by the number `day`."""
    starts = intervals.starts(params.range, Interval.DAY, params.zone)
    ends = [*starts[1:], intervals.following(starts[-1], Interval.DAY, params.zone)]
    parts = [intervals.overlap(starts, number, params.range) for number in range(len(starts))]
    over = min(params.range.end, params.now)
    found = {row["day"]: row for row in rows}
    zero = Decimal(0)
    return [
        Day(
            day=start.astimezone(params.zone).date(),
            complete=params.range.start <= start and end <= over and not lost_length(lost, part),
            cost=sum_of(found[number], "cost") if number in found else zero,
            requests=sum_of(found[number], "requests") if number in found else zero,
            priced=sum_of(found[number], "priced") if number in found else zero,
            unpriced=sum_of(found[number], "unpriced") if number in found else zero,
            tokens=sum_of(found[number], "tokens") if number in found else zero,
        )
        for number, (start, end, part) in enumerate(zip(starts, ends, parts, strict=True), start=1)
        if lost_length(lost, part) < part.length
    ]
