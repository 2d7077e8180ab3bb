"""Makes the answer of the parts of the statement: rates are of all requests, averages of all scores of a name. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Row, sum_of
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.analytics.quality.parameters import QualityParameters
from analytics_service.endpoints.analytics.quality.statement import MAX_ROWS, Part
from analytics_service.endpoints.scores.parameters import DataType
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number
from analytics_service.units.intervals import Interval


class QualityMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    granularity: Interval
    data_source: str
    total_failing: int
    """Groups with requests that failed; `error_breakdown` may hold fewer."""
    total_scores: int
    """Names by source and type; `scores` may hold fewer."""


class StatusFigures(TypedDict):
    total_requests: Number
    successful_requests: Number
    """UNSET is no error, as in OpenTelemetry."""
    failed_requests: Number
    success_rate: Number | None
    error_rate: Number | None


class FeedbackFigures(TypedDict):
    avg_feedback_score: Number | None
    """Null where there is no such score."""
    feedback_scores: Number
    resolution_rate: Number | None
    resolution_scores: Number


class QualityPoint(StatusFigures):
    timestamp: datetime


class FeedbackPoint(FeedbackFigures):
    date: date


class FailingGroup(TypedDict):
    provider: str
    model: str
    environment: str
    total_requests: Number
    failed_requests: Number
    error_rate: Number | None
    percentage: Number | None
    """Of all requests that failed."""


class Category(TypedDict):
    value: str
    count: Number
    percentage: Number | None
    """Of the scores of the name."""


class ScoreSummary(TypedDict):
    name: str
    source: str
    data_type: DataType
    count: Number
    average: Number | None
    """Of numbers; of booleans the share that is true; null of categories."""
    categories: list[Category] | None
    """Those with most scores first; null but of categories."""


class Quality(StatusFigures, FeedbackFigures):
    metadata: QualityMetadata
    error_breakdown: list[FailingGroup]
    """Those with most failures first."""
    scores: list[ScoreSummary]
    """By name, source and type."""
    time_series: list[QualityPoint]
    """The buckets that have requests, oldest first."""
    feedback_series: list[FeedbackPoint]
    """The UTC days that have such scores, oldest first."""


def answer(params: QualityParameters, rows: Sequence[Row]) -> Answer:
    if len(rows) > MAX_ROWS:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"more than {MAX_ROWS} scores by name, source and category, and groups: ask with a filter, or one `score`",
            field="score",
        )
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row["part"]].append(row)
    (total,) = parts[Part.TOTAL]
    scores, failing, days = _scores(params, parts[Part.SCORE]), parts[Part.FAILING], parts[Part.SCORE_DAY]
    return Answer(
        data=Quality(
            metadata=QualityMetadata(
                start_time=params.range.start,
                end_time=params.range.end,
                granularity=params.granularity,
                data_source=params.level,
                total_failing=len(failing),
                total_scores=len(scores),
            ),
            **_statuses(total),
            **_feedback(params, days),
            error_breakdown=_failing(failing, sum_of(total, "errors"))[: params.limit],
            scores=scores[: params.limit],
            time_series=[
                QualityPoint(timestamp=params.starts[row["number"] - 1].astimezone(params.zone), **_statuses(row))
                for row in sorted(parts[Part.BUCKET], key=lambda row: int(row["number"]))
            ],
            feedback_series=_feedback_series(params, days),
        ),
        source=params.level,
        watermark=total["watermark"],
        incomplete=below_retention(
            total,
            IncompleteReason.BELOW_RETENTION,
            IncompleteReason.EDGE_BELOW_RETENTION,
            IncompleteReason.SCORES_BELOW_RETENTION,
        ),
    )


def _statuses(row: Row) -> StatusFigures:
    requests, errors = sum_of(row, "requests"), sum_of(row, "errors")
    return StatusFigures(
        total_requests=requests,
        successful_requests=requests - errors,
        failed_requests=errors,
        success_rate=decimals.quotient(requests - errors, requests),
        error_rate=decimals.quotient(errors, requests),
    )


def _failing(rows: Sequence[Row], errors: Decimal) -> list[FailingGroup]:
    groups = [
        FailingGroup(
            provider=row["provider"],
            model=row["model"],
            environment=row["environment"],
            total_requests=row["requests"],
            failed_requests=row["errors"],
            error_rate=decimals.quotient(row["errors"], row["requests"]),
            percentage=decimals.per_cent(row["errors"], errors),
        )
        for row in rows
    ]
    return sorted(groups, key=lambda one: (-one["failed_requests"], one["provider"], one["model"], one["environment"]))


def _feedback(params: QualityParameters, rows: Iterable[Row]) -> FeedbackFigures:
    feedback = [r for r in rows if r["name"] == params.feedback_score and r["data_type"] != DataType.CATEGORICAL]
    resolution = [r for r in rows if r["name"] == params.resolution_score and r["data_type"] == DataType.BOOLEAN]
    return FeedbackFigures(
        avg_feedback_score=_average(feedback),
        feedback_scores=_sum(feedback, "score_count"),
        resolution_rate=_average(resolution),
        resolution_scores=_sum(resolution, "score_count"),
    )


def _feedback_series(params: QualityParameters, rows: Iterable[Row]) -> list[FeedbackPoint]:
    days: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        days[row["day"].date()].append(row)
    points = [FeedbackPoint(date=day, **_feedback(params, days[day])) for day in sorted(days)]
    return [point for point in points if point["feedback_scores"] or point["resolution_scores"]]


def _scores(params: QualityParameters, rows: Iterable[Row]) -> list[ScoreSummary]:
    named: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        named[(row["name"], row["source"], row["data_type"])].append(row)
    return [
        ScoreSummary(
            name=name,
            source=source,
            data_type=DataType(data_type),
            count=_sum(found, "score_count"),
            average=None if data_type == DataType.CATEGORICAL else _average(found),
            categories=_categories(found)[: params.limit] if data_type == DataType.CATEGORICAL else None,
        )
        for (name, source, data_type), found in sorted(named.items(), key=lambda item: item[0])
    ]


def _categories(rows: Sequence[Row]) -> list[Category]:
    count = _sum(rows, "score_count")
    return [
        Category(
            value=row["category"], count=row["score_count"], percentage=decimals.per_cent(row["score_count"], count)
        )
        for row in sorted(rows, key=lambda row: (-row["score_count"], row["category"]))
    ]


def _sum(rows: Iterable[Mapping[str, Decimal] | Row], column: str) -> Decimal:
    return decimals.total(sum_of(row, column) for row in rows)


def _average(rows: Sequence[Row]) -> Decimal | None:
    return decimals.quotient(_sum(rows, "value_sum"), _sum(rows, "score_count"))
