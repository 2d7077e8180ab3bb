"""Rollup selection: the levels that answer a query of metrics, and the queries that no level can answer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics_service.contract.parameters import days
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.names import (
    DISTINCT_COUNTS,
    LATENCIES,
    PERCENTILES,
    VALUE_METRICS,
    Dimension,
    Metric,
)
from analytics_service.rollups import levels
from analytics_service.rollups.levels import Level, choose

if TYPE_CHECKING:
    from analytics_service.endpoints.metrics.series.parameters import MetricParameters

_DAYS_OF: Final = {Dimension.USER_ID: Level.DAY_USER, Dimension.TEAM_ID: Level.DAY_TEAM}
"""Rollups of the dimensions that no other rollup groups by."""


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
    """Single users, sessions and teams."""
    percentiles: tuple[Metric, ...]
    counts: frozenset[Metric]

    def __bool__(self) -> bool:
        return bool(self.details or self.percentiles or self.counts)


def required(params: "MetricParameters") -> Requirements:
    filtered = () if params.user_id is None else (Dimension.USER_ID,)
    return Requirements(
        details=frozenset((*params.group_by, *filtered)) & {*_DAYS_OF, Dimension.SESSION_ID},
        percentiles=tuple(
            metric
            for metric in params.metrics
            if metric in VALUE_METRICS and any(one in PERCENTILES for one in params.aggregations(metric))
        ),
        counts=frozenset(params.metrics) & DISTINCT_COUNTS.keys(),
    )


def select_rollups(params: "MetricParameters", asked: Requirements) -> RollupSelection:
    """Returns the coarsest levels that meet the requirements; RequestError where the range is too long for any."""
    if asked and params.within_raw_range:
        return RollupSelection(level=Level.RAW)
    if Dimension.SESSION_ID in asked.details:
        params.require_raw_range("group_by", "a group by session")
    if Metric.UNIQUE_SESSIONS in asked.counts:
        params.require_raw_range("metrics", "a number of sessions")
    if not LATENCIES.issuperset(asked.percentiles):
        params.require_raw_range("aggregation", "a percentile of other metrics than duration and time_to_first_token")
    if asked.details:
        return _by_detail(params, asked)
    if asked:
        _must_fit(
            params,
            Level.USERS,
            "tz",
            "percentiles and numbers of users are kept by the hour of UTC: ask with its hours",
        )
    level = choose(start=params.range.start, end=params.range.end, zone=params.zone, width=params.step)
    users = Level.USERS if asked.counts else None
    if asked.counts and _fits(params, Level.DAY_USER):  # exact, and fewer rows than the registers of a day's hours
        level, users = Level.DAY_USER, None
    latency = next(each for each in reversed(levels.LATENCIES) if _fits(params, each)) if asked.percentiles else None
    return RollupSelection(level=level, latency=latency, users=users)


def _by_detail(params: "MetricParameters", asked: Requirements) -> RollupSelection:
    detail, *others = asked.details
    if others or asked.percentiles or asked.counts:
        params.require_raw_range("group_by", "a user or team together with the other, percentiles or numbers of users")
    level = _DAYS_OF[detail]
    _must_fit(params, level, "interval", "users and teams are kept by UTC day: ask with interval=1day and tz=UTC")
    return RollupSelection(level=level)


def _must_fit(params: "MetricParameters", level: Level, field: str, why: str) -> None:
    if not _fits(params, level):
        raise RequestError(Problem.RANGE_TOO_LARGE, f"beyond {days(params.max_raw_range)} {why}", field=field)


def _fits(params: "MetricParameters", level: Level) -> bool:
    return levels.fits(level, start=params.range.start, end=params.range.end, zone=params.zone, width=params.step)
