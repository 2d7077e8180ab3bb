"""Makes the summary of metrics from the parts of the statement; shares are of the whole, money keeps every digit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.contract.parameters import days
from analytics_service.endpoints.metrics.series.values import Counts, Percentiles, percentiles, unique_counts
from analytics_service.endpoints.metrics.summary.changes import PeriodChanges, changes
from analytics_service.endpoints.metrics.summary.parameters import MetricsSummaryParameters
from analytics_service.endpoints.metrics.summary.statement import MAX_ITEMS, RANKINGS, Part
from analytics_service.rollups import sketches
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason, below_retention, lost_length
from analytics_service.units import decimals
from analytics_service.units.decimals import Number
from analytics_service.units.times import Range


class PeriodSummary(TypedDict):
    start_time: datetime
    end_time: datetime
    total_requests: Number
    total_cost_usd: Number
    unpriced_requests: Number
    """Without a cost, or with one that is a lower bound."""
    total_tokens: Number
    avg_duration_ms: Number | None
    p95_duration_ms: Number | None
    error_rate: Number | None
    """From 0 to 1; null where there are no requests."""
    success_rate: Number | None
    unique_users: int
    unique_sessions: int | None
    """Null where the requests themselves are not read."""
    unique_sessions_reason: str | None


class TopItem(TypedDict):
    provider: str
    model: str
    value: Number
    percentage: Number | None
    """Of the whole period, whatever is in the list."""


class TopItems(TypedDict):
    """At most ten of each; what has nothing of it is left out."""

    by_cost: list[TopItem]
    """US dollars."""
    by_requests: list[TopItem]
    by_duration: list[TopItem]
    """Milliseconds, of all requests together."""
    by_errors: list[TopItem]


class CommonError(TypedDict):
    status_code: Literal["ERROR"]
    error: str
    """`error.type` of the request, or else its message with `#` for numbers; empty where it has neither, or the caller
    has no permission `traces:read`, which messages need."""
    count: Number
    percentage: Number | None
    """Of all errors."""
    sample_message: str | None
    """Null also of callers without `traces:read`."""


class QualitySummary(TypedDict):
    error_count: Number
    success_count: Number
    error_rate: Number | None
    success_rate: Number | None
    most_common_errors: list[CommonError] | None
    """Null where the requests themselves are not read."""
    most_common_errors_reason: str | None


class MetricsSummary(TypedDict):
    current_period: PeriodSummary
    previous_period: PeriodSummary | None
    changes: PeriodChanges | None
    top_items: TopItems
    quality: QualitySummary
    percentiles: Percentiles
    unique_counts: Counts


_ZERO: Final = Decimal(0)
_NOTHING: Final[Mapping[str, None]] = dict.fromkeys(
    (
        *("requests", "errors", "cost", "tokens", "duration", "durations", "unpriced", "unpriced_tokens"),
        *("p95", "users", "ranks", "registers", "sessions"),
    )
)
"""The row of a period without requests."""


def answer(params: MetricsSummaryParameters, rows: Sequence[Row]) -> Answer:
    found = {row["number"]: row for row in rows if row["part"] == Part.PERIOD}
    periods: list[Row] = [found.get(number, _NOTHING) for number in range(1, len(params.periods) + 1)]
    lost = below_retention(rows[0], IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION)
    why_no_rows = _why_no_rows(params, rows[0])
    *previous, current = [
        _period(params, span, row, why_no_rows) for span, row in zip(params.periods, periods, strict=True)
    ]
    summary = MetricsSummary(
        current_period=current,
        previous_period=previous[0] if previous else None,
        changes=changes(previous[0], current, _why_incomparable(params, lost)) if previous else None,
        top_items=_top_items([row for row in rows if row["part"] == Part.ITEM], periods[-1]),
        quality=_quality(periods[-1], [row for row in rows if row["part"] == Part.ERROR], why_no_rows),
        percentiles=percentiles(params.selection),
        unique_counts=unique_counts(params.selection),
    )
    return Answer(
        data=summary,
        source=params.selection.level,
        watermark=rows[0]["watermark"],
        incomplete=lost,
        coverage=Coverage.of(
            decimals.total(sum_of(row, "unpriced") for row in periods),
            decimals.total(sum_of(row, "unpriced_tokens") for row in periods),
        ),
    )


def _why_no_rows(params: MetricsSummaryParameters, row: Row) -> str | None:
    """Why what only the requests themselves say is not there."""
    if not params.within_raw_range:
        return f"it is computed from each request, in periods of at most {days(params.max_raw_range)}"
    return "not all of the requests themselves are retained" if row["raw_below_retention"] else None


def _why_incomparable(params: MetricsSummaryParameters, lost: Sequence[Incomplete]) -> str | None:
    if params.period.end > params.now:
        return "the period is not over"
    return "not all requests of both periods are retained" if lost_length(lost, params.range) else None


def _period(params: MetricsSummaryParameters, span: Range, row: Row, why_no_rows: str | None) -> PeriodSummary:
    requests, errors = sum_of(row, "requests"), sum_of(row, "errors")
    users: int = row["users"] or 0
    if not params.selection.counts_users_exactly:
        users = sketches.users(dict(zip(row["ranks"] or (), row["registers"] or (), strict=True)))
    return PeriodSummary(
        start_time=span.start,
        end_time=span.end,
        total_requests=requests,
        total_cost_usd=sum_of(row, "cost"),
        unpriced_requests=sum_of(row, "unpriced"),
        total_tokens=sum_of(row, "tokens"),
        avg_duration_ms=decimals.quotient(decimals.milliseconds(sum_of(row, "duration")), sum_of(row, "durations")),
        p95_duration_ms=None if row["p95"] is None else decimals.milliseconds(row["p95"]),
        error_rate=decimals.quotient(errors, requests),
        success_rate=decimals.quotient(requests - errors, requests),
        unique_users=users,
        unique_sessions=row["sessions"] or 0 if why_no_rows is None else None,
        unique_sessions_reason=why_no_rows,
    )


def _top_items(rows: Sequence[Row], whole: Row) -> TopItems:
    return TopItems(
        by_cost=_ranked(rows, whole, "by_cost"),
        by_requests=_ranked(rows, whole, "by_requests"),
        by_duration=_ranked(rows, whole, "by_duration"),
        by_errors=_ranked(rows, whole, "by_errors"),
    )


def _ranked(rows: Sequence[Row], whole: Row, name: str) -> list[TopItem]:
    column = RANKINGS[name]
    known = [row for row in rows if sum_of(row, column)]
    known.sort(key=lambda row: (-sum_of(row, column), row["provider"], row["model"]))
    return [
        TopItem(
            provider=row["provider"],
            model=row["model"],
            value=decimals.milliseconds(row[column]) if column == "duration" else row[column],
            percentage=decimals.per_cent(row[column], sum_of(whole, column)),
        )
        for row in known[:MAX_ITEMS]
    ]


def _quality(row: Row, errors: Sequence[Row], why_no_rows: str | None) -> QualitySummary:
    requests, failed = sum_of(row, "requests"), sum_of(row, "errors")
    common = [
        CommonError(
            status_code="ERROR",
            error=error["error"],
            count=error["errors"],
            percentage=decimals.per_cent(error["errors"], failed),
            sample_message=error["message"],
        )
        for error in sorted(errors, key=lambda one: (-one["errors"], one["error"]))
    ]
    return QualitySummary(
        error_count=failed,
        success_count=requests - failed,
        error_rate=decimals.quotient(failed, requests),
        success_rate=decimals.quotient(requests - failed, requests),
        most_common_errors=common if why_no_rows is None else None,
        most_common_errors_reason=why_no_rows,
    )
