"""Makes findings of the parts of the statement: none where nothing is to be saved. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.analytics.optimization.parameters import OptimizationParameters
from analytics_service.endpoints.analytics.optimization.statement import MAX_GROUPS, Part
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number


class Searched(TypedDict):
    """The requests whose prompts were compared: of the dearest ones of the range that did not fail, those whose prompts
    were stored as they came, neither cut nor masked.
    """

    requests: Number
    cost: Number
    percentage: Number | None
    """Of all costs: repeated prompts are found in this part of them."""


class OptimizationMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    data_source: str
    currency: str
    total_findings: int
    """`findings` may hold fewer."""
    searched: Searched


class FindingRows(TypedDict):
    """The requests of a finding, in the parameters of GET /api/v1/traces."""

    start_time: datetime
    end_time: datetime
    project_id: str
    environment: str
    provider: str
    model: str
    user_id: str | None
    """That was asked for."""
    status: Literal["ERROR"] | None
    trace_ids: list[str]
    """Of repeated prompts, the first ones in the order of time."""


class Finding(TypedDict):
    kind: Literal["failed_requests", "repeated_prompts"]
    """failed_requests: they cost something and failed; repeated_prompts: one prompt of one length in tokens that
    was sent to one model several times, which a cache of answers would have answered but for the first time."""
    requests: Number
    cost: Number
    """Of these requests."""
    necessary_cost: Number
    """Of the first one of a prompt; zero of those that failed."""
    saved_cost: Number
    """`cost` less `necessary_cost`."""
    percentage: Number | None
    """`saved_cost` of all costs of the range."""
    rows: FindingRows


class Optimization(TypedDict):
    metadata: OptimizationMetadata
    total_cost: Number
    saved_cost: Number
    """Of all findings together: no request is in two of them."""
    overall_score: Number | None
    """Per cent of the costs that no finding would save; null where there are none."""
    findings: list[Finding]
    """Those that save most first."""


def answer(params: OptimizationParameters, rows: Sequence[Row]) -> Answer:
    if len(rows) > MAX_GROUPS:
        raise RequestError(Problem.RANGE_TOO_LARGE, f"more than {MAX_GROUPS} groups: ask with a filter", field="model")
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row["part"]].append(row)
    (total,), (searched,) = parts[Part.TOTAL], parts[Part.SEARCHED]
    cost = sum_of(total, "cost")
    failed = [_finding(params, "failed_requests", row, cost) for row in parts[Part.FAILED]]
    repeated = [_finding(params, "repeated_prompts", row, cost) for row in parts[Part.REPEATED]]
    findings = sorted([*failed, *repeated], key=_order)
    saved = decimals.total(each["saved_cost"] for each in findings)
    return Answer(
        data=Optimization(
            metadata=OptimizationMetadata(
                start_time=params.range.start,
                end_time=params.range.end,
                data_source=params.level,
                currency="USD",
                total_findings=len(findings),
                searched=Searched(
                    requests=sum_of(searched, "requests"),
                    cost=sum_of(searched, "cost"),
                    percentage=decimals.per_cent(sum_of(searched, "cost"), cost),
                ),
            ),
            total_cost=cost,
            saved_cost=saved,
            overall_score=decimals.per_cent(decimals.difference(cost, saved), cost),
            findings=findings[: params.limit],
        ),
        source=params.level,
        watermark=total["watermark"],
        incomplete=below_retention(
            total,
            IncompleteReason.BELOW_RETENTION,
            IncompleteReason.EDGE_BELOW_RETENTION,
            IncompleteReason.PROMPTS_BELOW_RETENTION,
        ),
        coverage=Coverage.of(total["unpriced"], total["unpriced_tokens"]),
    )


def _finding(
    params: OptimizationParameters, kind: Literal["failed_requests", "repeated_prompts"], row: Row, whole: Decimal
) -> Finding:
    cost, necessary = sum_of(row, "cost"), sum_of(row, "first_cost")
    saved = decimals.difference(cost, necessary)
    failed = kind == "failed_requests"
    return Finding(
        kind=kind,
        requests=sum_of(row, "requests"),
        cost=cost,
        necessary_cost=necessary,
        saved_cost=saved,
        percentage=decimals.per_cent(saved, whole),
        rows=FindingRows(
            start_time=params.range.start if failed else row["first"],
            end_time=params.range.end if failed else row["last"] + timedelta(microseconds=1),
            project_id=row["project_id"],
            environment=row["environment"],
            provider=row["provider"],
            model=row["model"],
            user_id=params.user_id,
            status="ERROR" if failed else None,
            trace_ids=[] if failed else list(dict.fromkeys(row["trace_ids"])),
        ),
    )


def _order(one: Finding) -> tuple[Decimal | datetime | str | list[str], ...]:
    rows = one["rows"]
    return (-one["saved_cost"], one["kind"], rows["model"], rows["provider"], rows["project_id"], rows["start_time"])
