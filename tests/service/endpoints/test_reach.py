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
from analytics_service.endpoints.costs.attribution.parameters import AttributionParameters
from analytics_service.endpoints.costs.dimensions import CostDimension
from analytics_service.endpoints.costs.explain.parameters import MAX_REACH, ExplainParameters
from analytics_service.endpoints.costs.forecast.parameters import ForecastParameters
from analytics_service.endpoints.costs.summary.parameters import MAX_TOP_TRACES_RANGE, SummaryParameters
from analytics_service.endpoints.exports.parameters import ExportParameters
from analytics_service.endpoints.metrics.series.bucketed import MAX_FINE_RANGE
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.endpoints.metrics.summary.parameters import MetricsSummaryParameters
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
    Level.DAY_TAG: USUAL.retention_1hour_days,
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
    for model in (SummaryParameters, ForecastParameters):
        params, reached = longest_that_is_taken(model, model.max_range, asked | {"tz": zone})
        assert reaches(params.level, reached)
    assert reaches(Level.RAW, MAX_TOP_TRACES_RANGE)


@pytest.mark.parametrize("asked", [{}, {"user_id": "u"}])
def test_price_coverage(asked: dict[str, str]) -> None:
    params, reached = longest_that_is_taken(CoverageParameters, CoverageParameters.max_range, asked)
    assert reaches(params.level, reached)


@pytest.mark.parametrize("dimension", CostDimension)
@pytest.mark.parametrize("asked", [{}, {"user_id": "u"}])
def test_attribution(asked: dict[str, str], dimension: CostDimension) -> None:
    longest = AttributionParameters.max_range
    params, reached = longest_that_is_taken(AttributionParameters, longest, asked | {"dimension": dimension})
    assert reaches(params.source.level, reached)


@pytest.mark.parametrize("dimension", CostDimension)
def test_explanation(dimension: CostDimension) -> None:
    """As far back as the compared period may begin; of one user, whose teams and tags raw alone has, for a week."""
    earliest = [
        ("compare_from", (NOW - MAX_REACH).isoformat()),
        ("compare_to", (NOW - timedelta(days=310)).isoformat()),
    ]
    params = parse(ExplainParameters, [*earliest, ("dimension", dimension)], now=NOW)
    assert reaches(params.source.level, MAX_REACH)
    of_user = [("from", "now-3d"), ("dimension", dimension), ("user_id", "u")]
    assert reaches(parse(ExplainParameters, of_user, now=NOW).source.level, ExplainParameters.max_raw_range)


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


ROLLED_UP = {
    *(MetricParameters, SummaryParameters, CoverageParameters),
    *(AttributionParameters, ForecastParameters, ExplainParameters),
    *(PerformanceParameters, QualityParameters, CompareParameters),
}


def test_every_other_route_reads_raw() -> None:
    """But exports, whose year is for those who retain raw for longer: others are told which part their file lacks."""
    models = {endpoint.params for endpoint in ENDPOINTS} - ROLLED_UP - {ExportParameters}
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


def test_both_periods_of_a_metrics_summary() -> None:
    params = parse(
        MetricsSummaryParameters, {"from": f"now-{MetricsSummaryParameters.max_range.days}d"}.items(), now=NOW
    )
    levels: tuple[Level | Table, ...] = (params.selection.level, *params.selection.sketches)
    for level in levels:
        assert reaches(level, params.range.length), level
    short = parse(MetricsSummaryParameters, {"from": "now-7d"}.items(), now=NOW)
    assert short.within_raw_range
    assert reaches(Level.RAW, short.range.length)
