"""Rollup selection: the levels that answer a query of metrics, and the queries that no level can answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.names import LATENCIES, Dimension, Metric
from analytics_service.rollups import levels
from analytics_service.rollups.levels import Level, choose

_DAYS_OF: Final = {Dimension.USER_ID: Level.DAY_USER, Dimension.TEAM_ID: Level.DAY_TEAM}
"""Rollups of the dimensions that no other rollup groups by."""
DETAILS: Final = frozenset({*_DAYS_OF, Dimension.SESSION_ID})
"""Dimensions that totals do not group by."""


@dataclass(frozen=True, kw_only=True)
class RollupSelection:
    level: Level
    latency: Level | None = None
    """Level whose histograms give the percentiles."""
    users: Level | None = None
    """Level whose registers give the numbers of users."""

    @property
    def sketches(self) -> tuple[Level, ...]:
        return tuple(each for each in (self.latency, self.users) if each is not None)


@dataclass(frozen=True)
class Requirements:
    """Requirements that totals by the dimensions do not meet."""

    details: frozenset[Dimension]
    """Of DETAILS: grouped by, or filtered by."""
    percentiles: tuple[Metric, ...]
    counts: frozenset[Metric]

    def __bool__(self) -> bool:
        return bool(self.details or self.percentiles or self.counts)


def select_rollups(params: FilteredParameters, asked: Requirements, *, width: timedelta) -> RollupSelection:
    """Returns the coarsest levels that meet the requirements in buckets of `width`; RequestError where none does."""
    if asked and params.within_raw_range:
        return RollupSelection(level=Level.RAW)
    if Dimension.SESSION_ID in asked.details:
        params.require_raw_range("group_by", "a group by session")
    if Metric.UNIQUE_SESSIONS in asked.counts:
        params.require_raw_range("metrics", "a number of sessions")
    if not LATENCIES.issuperset(asked.percentiles):
        params.require_raw_range("aggregation", "a percentile of other metrics than duration and time_to_first_token")
    if asked.details:
        return _by_detail(params, asked, width)
    if asked:
        why = "percentiles and numbers of users are kept by the hour of UTC: ask with its hours"
        _must_fit(params, Level.USERS, width, field="tz", why=why)
    level = choose(start=params.range.start, end=params.range.end, zone=params.zone, width=width)
    users = Level.USERS if asked.counts else None
    if asked.counts and _fits(
        params, Level.DAY_USER, width
    ):  # exact, and fewer rows than the registers of a day's hours
        level, users = Level.DAY_USER, None
    latencies = (each for each in reversed(levels.LATENCIES) if _fits(params, each, width))
    return RollupSelection(level=level, latency=next(latencies) if asked.percentiles else None, users=users)


def _by_detail(params: FilteredParameters, asked: Requirements, width: timedelta) -> RollupSelection:
    detail, *others = asked.details
    if others or asked.percentiles or asked.counts:
        params.require_raw_range("group_by", "a user or team together with the other, percentiles or numbers of users")
    level = _DAYS_OF[detail]
    why = "users and teams are kept by UTC day: ask with interval=1day and tz=UTC"
    _must_fit(params, level, width, field="interval", why=why)
    return RollupSelection(level=level)


def _must_fit(params: FilteredParameters, level: Level, width: timedelta, *, field: str, why: str) -> None:
    if not _fits(params, level, width):
        raise RequestError(Problem.RANGE_TOO_LARGE, f"beyond {days(params.max_raw_range)} {why}", field=field)


def _fits(params: FilteredParameters, level: Level, width: timedelta) -> bool:
    return levels.fits(level, start=params.range.start, end=params.range.end, zone=params.zone, width=width)
