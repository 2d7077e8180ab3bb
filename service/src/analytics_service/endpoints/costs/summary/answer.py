"""Makes the summary from the parts of the statement; percentages are of the total, and money keeps every digit."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.costs.days import Day, days
from analytics_service.endpoints.costs.summary import trends
from analytics_service.endpoints.costs.summary.parameters import SummaryParameters
from analytics_service.endpoints.costs.summary.statement import MAX_GROUPS, Part
from analytics_service.endpoints.costs.summary.trends import Week
from analytics_service.endpoints.costs.sums import Share, shares
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number


class SummaryMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    data_source: str
    currency: str


class Overview(TypedDict):
    total_cost: Number
    prompt_cost: Number
    completion_cost: Number
    total_requests: Number
    unpriced_requests: Number
    """Without a cost, or with one that is a lower bound."""
    total_tokens: Number
    avg_cost_per_request: Number | None
    """Of requests with a cost, as all averages are."""
    avg_cost_per_1k_tokens: Number | None
    day_over_day_change: Number | None
    """Per cent, of the last whole local day of the range against the day before."""
    day_over_day_reason: str | None
    week_over_week_change: Number | None
    """Per cent, of the last seven whole local days of the range against the seven before."""
    week_over_week_reason: str | None


class DayPoint(TypedDict):
    date: date
    cost: Number
    requests: Number
    unpriced_requests: Number
    tokens: Number


class WeekPoint(TypedDict):
    week_start: date
    cost: Number
    requests: Number
    unpriced_requests: Number
    tokens: Number


class Trends(TypedDict):
    daily: list[DayPoint]
    weekly: list[WeekPoint]
    growth_rate_daily: Number | None
    """Per cent a day: the slope of a line through the whole days, of their mean."""
    growth_rate_daily_reason: str | None
    growth_rate_weekly: Number | None
    growth_rate_weekly_reason: str | None


class TopTrace(TypedDict):
    trace_id: str
    ts: datetime
    cost: Number
    requests: Number
    unpriced_requests: Number
    tokens: Number
    percentage: Number | None


class Summary(TypedDict):
    metadata: SummaryMetadata
    overview: Overview
    by_provider: list[Share]
    by_model: list[Share]
    by_environment: list[Share]
    trends: Trends | None
    top_traces: list[TopTrace] | None


Parts = Mapping[str, list[Row]]


def answer(params: SummaryParameters, rows: Sequence[Row]) -> Answer:
    if len(rows) > MAX_GROUPS:
        raise RequestError(Problem.RANGE_TOO_LARGE, f"more than {MAX_GROUPS} groups: ask with a filter", field="model")
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row["part"]].append(row)
    (total,) = parts[Part.TOTAL]
    cost = sum_of(total, "cost")
    lost = below_retention(total, IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION)
    by_day = days(params, parts[Part.DAY], lost)
    if params.include_top_traces:
        lost += below_retention(total, IncompleteReason.TOP_TRACES_BELOW_RETENTION)
    summary = Summary(
        metadata=SummaryMetadata(
            start_time=params.range.start, end_time=params.range.end, data_source=params.level, currency="USD"
        ),
        overview=_overview(total, by_day),
        by_provider=shares(parts[Part.PROVIDER], cost),
        by_model=shares(parts[Part.MODEL], cost),
        by_environment=shares(parts[Part.ENVIRONMENT], cost),
        trends=_trends(by_day) if params.include_trends else None,
        top_traces=_top(parts[Part.TRACE], cost) if params.include_top_traces else None,
    )
    return Answer(
        data=summary,
        source=params.level,
        watermark=total["watermark"],
        incomplete=lost,
        coverage=Coverage.of(total["unpriced"], total["unpriced_tokens"]),
    )


def _overview(total: Row, by_day: Sequence[Day]) -> Overview:
    cost, tokens = sum_of(total, "cost"), sum_of(total, "priced_tokens")
    daily, weekly = (trends.last_change(by_day, length=length) for length in (1, trends.WEEK))
    return Overview(
        total_cost=cost,
        prompt_cost=sum_of(total, "prompt_cost"),
        completion_cost=sum_of(total, "completion_cost"),
        total_requests=sum_of(total, "requests"),
        unpriced_requests=sum_of(total, "unpriced"),
        total_tokens=sum_of(total, "tokens"),
        avg_cost_per_request=decimals.quotient(cost, sum_of(total, "priced")),
        avg_cost_per_1k_tokens=decimals.quotient(decimals.product(cost, 1000), tokens),
        day_over_day_change=daily.value,
        day_over_day_reason=daily.reason,
        week_over_week_change=weekly.value,
        week_over_week_reason=weekly.reason,
    )


def _trends(by_day: Sequence[Day]) -> Trends:
    weeks = trends.weeks(by_day)
    daily = trends.growth([day.cost for day in by_day if day.complete])
    weekly = trends.growth([week.cost for week in weeks if week.complete])
    return Trends(
        daily=[DayPoint(date=day.day, **_figures(day)) for day in by_day],
        weekly=[WeekPoint(week_start=week.start, **_figures(week)) for week in weeks],
        growth_rate_daily=daily.value,
        growth_rate_daily_reason=daily.reason,
        growth_rate_weekly=weekly.value,
        growth_rate_weekly_reason=weekly.reason,
    )


class _Figures(TypedDict):
    cost: Number
    requests: Number
    unpriced_requests: Number
    tokens: Number


def _figures(period: Day | Week) -> _Figures:
    return _Figures(cost=period.cost, requests=period.requests, unpriced_requests=period.unpriced, tokens=period.tokens)


def _top(rows: Sequence[Row], whole: Decimal) -> list[TopTrace]:
    traces = [
        TopTrace(
            trace_id=row["name"],
            ts=row["ts"],
            cost=sum_of(row, "cost"),
            requests=sum_of(row, "requests"),
            unpriced_requests=sum_of(row, "unpriced"),
            tokens=sum_of(row, "tokens"),
            percentage=decimals.per_cent(sum_of(row, "cost"), whole),
        )
        for row in rows
    ]
    by_id = sorted(traces, key=lambda trace: trace["trace_id"])
    return sorted(by_id, key=lambda trace: trace["cost"], reverse=True)
