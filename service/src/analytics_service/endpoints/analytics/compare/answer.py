"""Makes a comparison of the parts of the statement. Pure."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.analytics.compare.figures import RATIOS, Candidate, Figure, common_mix, figure
from analytics_service.endpoints.analytics.compare.parameters import ComparedMetric, CompareParameters
from analytics_service.endpoints.analytics.compare.statement import MAX_ROWS, Part
from analytics_service.endpoints.analytics.compare.summary import Compared, Criterion, Recommendation, verdict
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number
from analytics_service.units.intervals import Interval


class ComparisonMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    data_source: str
    period: Interval
    """In which the spread of averages is measured."""
    min_sample: int
    currency: str


class ComparedModel(TypedDict):
    provider: str | None
    """Null where the model has no requests."""
    model: str
    requests: Number
    metrics: dict[str, Figure]
    """By the names of `metrics`."""


class ComparisonSummary(TypedDict):
    """Each is null where the requests do not bear it out, or have not been alike."""

    fastest_model: str | None
    """By the median of latency."""
    cheapest_model: str | None
    """By the average cost of a request."""
    most_reliable_model: str | None
    """By the rate of errors."""
    best_rated_model: str | None
    """By the average score; mixes are not evened out."""
    reasons: dict[str, str]
    """Why there is none, of those that are null."""
    recommendations: list[Recommendation]
    """What the others are borne out by."""


class Comparison(TypedDict):
    metadata: ComparisonMetadata
    models: list[ComparedModel]
    summary: ComparisonSummary


def answer(params: CompareParameters, rows: Sequence[Row]) -> Answer:
    if len(rows) > MAX_ROWS:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"more than {MAX_ROWS} periods, projects, environments and operations of these models: ask with a filter",
            field="models",
        )
    candidates = _candidates(rows)
    mixes = {metric: common_mix(ratio, candidates, min_sample=params.min_sample) for metric, ratio in RATIOS.items()}
    compared = [
        Compared(
            provider=one.provider,
            model=one.model,
            figures={
                metric: figure(metric, one, mixes.get(metric, {}), min_sample=params.min_sample)
                for metric in ComparedMetric
            },
        )
        for one in candidates
    ]
    strata = [row for one in candidates for row in one.strata]
    return Answer(
        data=Comparison(
            metadata=ComparisonMetadata(
                start_time=params.range.start,
                end_time=params.range.end,
                data_source=params.level,
                period=params.period,
                min_sample=params.min_sample,
                currency="USD",
            ),
            models=_models(params, candidates, compared),
            summary=_summary(compared),
        ),
        source=params.level,
        watermark=rows[0]["watermark"],
        incomplete=below_retention(
            rows[0],
            IncompleteReason.BELOW_RETENTION,
            IncompleteReason.EDGE_BELOW_RETENTION,
            IncompleteReason.SCORES_BELOW_RETENTION,
        ),
        coverage=Coverage.of(
            decimals.total(sum_of(row, "unpriced") for row in strata),
            decimals.total(sum_of(row, "unpriced_tokens") for row in strata),
        ),
    )


def _candidates(rows: Sequence[Row]) -> list[Candidate]:
    """By provider and model, in the order of their names."""
    found: dict[tuple[str, str], Candidate] = {}
    for row in rows:
        if row["part"] is None:
            continue
        key = row["provider"], row["model"]
        one = found.setdefault(key, Candidate(provider=key[0], model=key[1]))
        match row["part"]:
            case Part.PERIOD:
                one.periods.append(row)
            case Part.STRATUM:
                one.strata.append(row)
            case Part.LATENCY:
                one.latency = row
            case _:
                one.score = row
    return sorted(found.values(), key=attrgetter("model", "provider"))


def _models(
    params: CompareParameters, candidates: Sequence[Candidate], compared: Sequence[Compared]
) -> list[ComparedModel]:
    """In the order in which they were asked for, with those that have no requests."""
    shown: list[ComparedModel] = []
    for model in params.models:
        named = [pair for pair in zip(candidates, compared, strict=True) if pair[0].model == model]
        shown += [
            ComparedModel(
                provider=candidate.provider,
                model=model,
                requests=decimals.total(sum_of(row, "requests") for row in candidate.strata),
                metrics={metric.value: one.figures[metric] for metric in params.metrics},
            )
            for candidate, one in named
        ]
        if not named:
            none = Candidate(provider="", model=model)
            metrics = {
                metric.value: figure(metric, none, {}, min_sample=params.min_sample) for metric in params.metrics
            }
            shown.append(ComparedModel(provider=None, model=model, requests=decimals.total(()), metrics=metrics))
    return shown


def _summary(compared: Sequence[Compared]) -> ComparisonSummary:
    verdicts = {criterion: verdict(criterion, compared) for criterion in Criterion}
    return ComparisonSummary(
        fastest_model=verdicts[Criterion.FASTEST].model,
        cheapest_model=verdicts[Criterion.CHEAPEST].model,
        most_reliable_model=verdicts[Criterion.RELIABLE].model,
        best_rated_model=verdicts[Criterion.BEST_RATED].model,
        reasons={criterion.value: one.reason for criterion, one in verdicts.items() if one.reason is not None},
        recommendations=[one.recommendation for one in verdicts.values() if one.recommendation is not None],
    )
