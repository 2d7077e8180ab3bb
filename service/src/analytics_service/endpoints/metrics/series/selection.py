"""Rollup selection: the tables that answer a query of metrics, and the queries that no table can answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from analytics_service.contract.filters import RawRangeParameters
from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.names import LATENCIES, Dimension, Metric
from analytics_service.rollups import levels
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level, choose

_DAYS_OF: Final = {Dimension.USER_ID: Level.DAY_USER, Dimension.TEAM_ID: Level.DAY_TEAM}
"""Rollups of the dimensions that no other rollup groups by."""
DETAILS: Final = frozenset({*_DAYS_OF, Dimension.SESSION_ID})
"""Dimensions that totals do not group by."""
_HISTOGRAMS: Final = (Table.LATENCY_6HOUR, Table.LATENCY_1HOUR, Table.LATENCY_15MIN, Table.LATENCY_1MIN)
_REGISTERS: Final = (Table.USERS_6HOUR, Table.USERS_1HOUR)


@dataclass(frozen=True, kw_only=True)
class RollupSelection:
    level: Level
    latency: Table | None = None
    """Table whose histograms give the percentiles."""
    users: Table | None = None
    """Table whose registers, or whose days by user, give the numbers of users."""

    @property
    def sketches(self) -> tuple[Table, ...]:
        return tuple(each for each in (self.latency, self.users) if each is not None)

    @property
    def counts_users_exactly(self) -> bool:
        return self.users in {None, Table.USER_1DAY}


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Requirements that totals by the dimensions do not meet."""

    details: frozenset[Dimension]
    """Of DETAILS: grouped by, or filtered by."""
    percentiles: tuple[Metric, ...] = ()
    counts: frozenset[Metric] = frozenset()
    extremes: bool = False
    """A minimum or a maximum, which days by user and team do not have."""
    exact_users: bool = False
    """Numbers of users that are estimated will not do."""

    def __bool__(self) -> bool:
        return bool(self.details or self.percentiles or self.counts)


def select_rollups(params: RawRangeParameters, asked: Requirements, *, width: timedelta) -> RollupSelection:
    """Returns the coarsest tables that meet the requirements in buckets of `width`, raw where that alone does.

    RequestError where the range is too long for raw.
    """
    if _needs_raw(params, asked, width):
        return RollupSelection(level=Level.RAW)
    if asked.details:
        return RollupSelection(level=_by_detail(params, asked, width))
    level = choose(start=params.range.start, end=params.range.end, zone=params.zone, width=width)
    if asked and (level is Level.RAW or (asked.counts and not _fits(params, Table.USERS_1HOUR, width))):
        _require_hours(params)
        return RollupSelection(level=Level.RAW)
    return RollupSelection(
        level=level,
        latency=_histograms(params, width) if asked.percentiles else None,
        users=_users(params, width) if asked.counts else None,
    )


def _needs_raw(params: RawRangeParameters, asked: Requirements, width: timedelta) -> bool:
    """Whether raw alone knows the answer; RequestError where the range is too long for it."""
    latencies = LATENCIES.issuperset(asked.percentiles)
    more = len(asked.details) > 1 or asked.percentiles or asked.counts
    estimated = asked.exact_users and not _fits(params, Table.USER_1DAY, width)
    for needs_raw, field, reason in (
        (Dimension.SESSION_ID in asked.details, "group_by", "a group, or a filter, by session"),
        (Metric.UNIQUE_SESSIONS in asked.counts, "metrics", "a number of sessions"),
        (not latencies, "aggregation", "a percentile of other metrics than duration and time_to_first_token"),
        (estimated, "interval", "a condition on, or an order by, numbers of users (but of UTC days)"),
        (asked.details and more, "group_by", "a user or team together with the other, percentiles or numbers of users"),
        (asked.details and asked.extremes, "aggregation", "a minimum or maximum by user or team"),
    ):
        if needs_raw:
            params.require_raw_range(field, reason)
            return True
    return False


def _by_detail(params: RawRangeParameters, asked: Requirements, width: timedelta) -> Level:
    (detail,) = asked.details
    if _fits(params, _DAYS_OF[detail], width):
        return _DAYS_OF[detail]
    if not params.within_raw_range:
        raise _too_large(params, "interval", "users and teams are kept by UTC day: ask with interval=1day and tz=UTC")
    return Level.RAW


def _histograms(params: RawRangeParameters, width: timedelta) -> Table:
    """Below the hour there are minutes, which are kept for as long as a range of raw is."""
    if _fits(params, Table.LATENCY_1DAY, width):
        return Table.LATENCY_1DAY
    if not _fits(params, Table.LATENCY_1HOUR, width):
        _require_hours(params)
    return next(table for table in _HISTOGRAMS if table.step <= width)


def _users(params: RawRangeParameters, width: timedelta) -> Table:
    """Days by user are exact; registers are merged in other zones, and for hours."""
    if _fits(params, Table.USER_1DAY, width):
        return Table.USER_1DAY
    return next(table for table in _REGISTERS if table.step <= width)


def _require_hours(params: RawRangeParameters) -> None:
    if not params.within_raw_range:
        why = "percentiles and numbers of users are kept by the hour of UTC: ask with its hours"
        raise _too_large(params, "tz", why)


def _too_large(params: RawRangeParameters, field: str, why: str) -> RequestError:
    return RequestError(Problem.RANGE_TOO_LARGE, f"beyond {days(params.max_raw_range)} {why}", field=field)


def _fits(params: RawRangeParameters, level: Level | Table, width: timedelta) -> bool:
    return levels.fits(level, start=params.range.start, end=params.range.end, zone=params.zone, width=width)
