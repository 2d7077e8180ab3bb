"""The parameters of the summary of metrics, and the periods that it compares."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import ClassVar, Final, Self

from pydantic import model_validator
from typing_extensions import override

from analytics_service.contract.filters import FilteredParameters
from analytics_service.endpoints.metrics.series.selection import RollupSelection
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level, choose
from analytics_service.units.times import Range

_DAY: Final = timedelta(days=1)


class MetricsSummaryParameters(FilteredParameters):
    default_range: ClassVar[timedelta] = timedelta(hours=24)
    max_range: ClassVar[timedelta] = timedelta(days=90)

    compare_previous_period: bool = True
    """With the period of the same length before it; of as many local days, where it is whole local days."""

    @model_validator(mode="after")
    def _check_user(self) -> Self:
        if self.user_id is not None:
            self.require_raw_range("user_id", "a summary of one user")
        return self

    @property
    def period(self) -> Range:
        """That was asked for."""
        return self._range

    @property
    @override
    def within_raw_range(self) -> bool:
        return self.period.length <= self.max_raw_range

    @property
    @override
    def range(self) -> Range:
        """Of all periods."""
        return Range(self.periods[0].start, self.period.end)

    @override
    def identity(self) -> bytes:
        """Two periods may have the same start before a change of clocks, and the same end."""
        return super().identity() + self.period.start.isoformat().encode()

    @cached_property
    def periods(self) -> list[Range]:
        """One or two, the older first, without a gap between them."""
        start, end = self.period
        if not self.compare_previous_period:
            return [self.period]
        return [Range(self._previous_start(start, end), start), self.period]

    def _previous_start(self, start: datetime, end: datetime) -> datetime:
        first, last = (moment.astimezone(self.zone).replace(tzinfo=None) for moment in (start, end))
        if (last - first) % _DAY:
            return start - (end - start)
        return (first - (last - first)).replace(tzinfo=self.zone).astimezone(start.tzinfo)

    @property
    def starts(self) -> list[datetime]:
        return [period.start for period in self.periods]

    @cached_property
    def selection(self) -> RollupSelection:
        """Raw for one user; else the coarsest rollups, whose buckets the periods cut."""
        if self.user_id is not None:
            return RollupSelection(level=Level.RAW)
        level = choose(start=self.range.start, end=self.range.end)
        return RollupSelection(
            level=Level.MIN1 if level is Level.RAW else level, latency=Table.LATENCY_1DAY, users=Table.USERS_6HOUR
        )
