"""The longest range that a route takes is kept by whatever answers it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from analytics_service import settings
from analytics_service.contract.parameters import P, RangedParameters, parse
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints import ENDPOINTS
from analytics_service.endpoints.analytics.compare.parameters import CompareParameters
from analytics_service.endpoints.analytics.performance.parameters import Granularity, PerformanceParameters
from analytics_service.endpoints.analytics.quality.parameters import QualityParameters
from analytics_service.endpoints.costs.summary.parameters import MAX_TOP_TRACES_RANGE, SummaryParameters
from analytics_service.endpoints.metrics.series.parameters import MAX_FINE_RANGE, MetricParameters
from analytics_service.endpoints.prices.coverage import CoverageParameters
from analytics_service.endpoints.traces.list.parameters import TraceParameters
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level
from analytics_service.units.intervals import Interval

USUAL = settings.load({})
KEPT = {
    Level.RAW: USUAL.retention_raw_days,
    Level.MIN1: USUAL.retention_1min_days,
    Level.MIN15: USUAL.retention_1hour_days,
    Level.HOUR: USUAL.retention_1hour_days,
    Level.DAY: USUAL.retention_1day_days,
    Level.DAY_USER: USUAL.retention_1hour_days,
    Level.DAY_TEAM: USUAL.retention_1hour_days,
    Table.LATENCY_1MIN: USUAL.retention_1min_days,
    Table.LATENCY_15MIN: USUAL.retention_1min_days,
    Table.LATENCY_1HOUR: USUAL.retention_1hour_days,
    Table.LATENCY_6HOUR: USUAL.retention_1hour_days,
    Table.LATENCY_1DAY: USUAL.retention_1hour_days,
    Table.USERS_1HOUR: USUAL.retention_1hour_days,
    Table.USERS_6HOUR: USUAL.retention_1hour_days,
    Table.USER_1DAY: USUAL.retention_1hour_days,
}
NOW = datetime(2024, 4, 2, 12, 34, 56, tzinfo=ZoneInfo("UTC"))
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe")


def reaches(level: Level | Table, longest: timedelta) -> bool:
    kept = KEPT[level]
    return kept is None or longest + max(level.step, timedelta(minutes=1)) < timedelta(days=kept)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize(
    "asked",
    [
        {"metrics": "request_count,total_cost"},
        {"metrics": "duration", "include_percentiles": "true"},
        {"metrics": "unique_users"},
        {"metrics": "total_cost", "group_by": "user_id"},
        {"metrics": "total_cost", "user_id": "u"},
        {"metrics": "total_cost", "group_by": "team_id"},
        {"metrics": "unique_sessions"},
        {"metrics": "total_tokens", "aggregation": "p99"},
    ],
    ids=lambda asked: "&".join(f"{key}={value}" for key, value in asked.items()),
)
def test_metrics(asked: dict[str, str], interval: Interval, zone: str) -> None:
    longest = MAX_FINE_RANGE if interval.width < timedelta(hours=1) else MetricParameters.max_range
    params, reached = longest_that_is_taken(MetricParameters, longest, asked | {"interval": interval, "tz": zone})
    levels: tuple[Level | Table, ...] = (params.selection.level, *params.selection.sketches)
    for level in levels:
        assert reaches(level, reached), (level, reached)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("asked", [{}, {"user_id": "u"}])
def test_costs(asked: dict[str, str], zone: str) -> None:
    params, reached = longest_that_is_taken(SummaryParameters, SummaryParameters.max_range, asked | {"tz": zone})
    assert reaches(params.level, reached)
    assert reaches(Level.RAW, MAX_TOP_TRACES_RANGE)


@pytest.mark.parametrize("asked", [{}, {"user_id": "u"}])
def test_price_coverage(asked: dict[str, str]) -> None:
    params, reached = longest_that_is_taken(CoverageParameters, CoverageParameters.max_range, asked)
    assert reaches(params.level, reached)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("granularity", Granularity)
def test_performance(granularity: str, zone: str) -> None:
    asked = {"granularity": granularity, "tz": zone}
    params, reached = longest_that_is_taken(PerformanceParameters, PerformanceParameters.max_range, asked)
    levels: tuple[Level | Table, ...] = (params.selection.level, *params.selection.sketches)
    assert all(reaches(level, reached) for level in levels)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("asked", [{"granularity": "1hour"}, {"granularity": "1day"}, {"user_id": "u"}])
def test_quality(asked: dict[str, str], zone: str) -> None:
    params, reached = longest_that_is_taken(QualityParameters, QualityParameters.max_range, asked | {"tz": zone})
    assert reaches(params.level, reached)


def test_compare() -> None:
    params, reached = longest_that_is_taken(CompareParameters, CompareParameters.max_range, {"models": "a,b"})
    assert reaches(params.level, reached)


FROM_ROLLUPS = {
    MetricParameters,
    SummaryParameters,
    CoverageParameters,
    PerformanceParameters,
    QualityParameters,
    CompareParameters,
}


def test_every_other_route_reads_raw() -> None:
    models = {endpoint.params for endpoint in ENDPOINTS} - FROM_ROLLUPS
    longest = {model: model.max_range for model in models if issubclass(model, RangedParameters)}
    assert longest[TraceParameters] is not None
    assert all(reaches(Level.RAW, each) for each in longest.values() if each is not None)  # None: as far as rows go


def longest_that_is_taken(model: type[P], longest: timedelta, asked: dict[str, str]) -> tuple[P, timedelta]:
    """The range of all that is allowed; where that is refused, the week that single requests are read of."""
    for length in (longest, SummaryParameters.max_raw_range):
        given = [*asked.items(), ("from", (NOW - length).isoformat()), ("to", NOW.isoformat())]
        try:
            return parse(model, given, now=NOW), length
        except RequestError as error:
            if error.problem is not Problem.RANGE_TOO_LARGE:
                raise
    raise AssertionError(f"no range is taken: {asked}")
