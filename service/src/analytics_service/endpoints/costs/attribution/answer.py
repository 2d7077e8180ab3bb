"""Makes the attribution: percentages are of all costs of the range, and with `other` the items add up to them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Coverage, Row, sum_of
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.costs.attribution.parameters import AttributionParameters
from analytics_service.endpoints.costs.attribution.statement import MAX_SHARES, Part
from analytics_service.endpoints.costs.dimensions import CostDimension
from analytics_service.endpoints.costs.sums import Share, shares
from analytics_service.rollups.incomplete import IncompleteReason, below_retention
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

OTHER: Final = "other"


class AttributionMetadata(TypedDict):
    start_time: datetime
    end_time: datetime
    dimension: CostDimension
    values_overlap: bool
    """A request may have several values, as tags: the items add up to more than the costs, and there is no `other`."""
    data_source: str
    currency: str


class AttributedCost(TypedDict):
    dimension_value: str | None
    """Null of the requests without one; `other` where `is_other` is true."""
    is_other: bool
    """All values that are not shown, beyond `limit` or below `min_cost`, together; it is the last item."""
    total_cost: Number | None
    """Null where none of its requests has a cost."""
    prompt_cost: Number
    completion_cost: Number
    request_count: Number
    unpriced_requests: Number
    """Without a cost, or with one that is a lower bound."""
    total_tokens: Number
    cost_percentage: Number | None
    """Of all costs of the range."""
    avg_cost_per_request: Number | None
    """Of requests with a cost."""
    by_provider: list[Share]
    """Percentages are of the item's cost."""
    by_model: list[Share]


class AttributionSummary(TypedDict):
    """Of all requests of the range, each once."""

    total_cost: Number
    prompt_cost: Number
    completion_cost: Number
    total_requests: Number
    unpriced_requests: Number
    total_tokens: Number
    avg_cost_per_request: Number | None
    total_values: Number
    """Of the dimension in the range, with that of requests without one."""
    shown_values: int


class Attribution(TypedDict):
    metadata: AttributionMetadata
    items: list[AttributedCost]
    """The most expensive first."""
    summary: AttributionSummary


_Parts = dict[tuple[int | None, Part], list[Row]]


def answer(params: AttributionParameters, rows: Sequence[Row]) -> Answer:
    if len(rows) > MAX_SHARES:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"the values have more than {MAX_SHARES} providers and models together: ask for a smaller limit",
            field="limit",
        )
    parts: _Parts = defaultdict(list)
    for row in rows:
        parts[row["position"], Part(row["part"])].append(row)
    (complete,) = parts[None, Part.COMPLETE]
    cost = sum_of(complete, "cost")
    values = sorted(position for position, part in parts if part is Part.VALUE and position is not None)
    others = [None] if parts[None, Part.VALUE] else []
    data = Attribution(
        metadata=AttributionMetadata(
            start_time=params.range.start,
            end_time=params.range.end,
            dimension=params.dimension,
            values_overlap=params.dimension.overlaps,
            data_source=params.source.level,
            currency="USD",
        ),
        items=[_item(parts, position, cost) for position in (*values, *others)],
        summary=_summary(complete, shown=len(values)),
    )
    return Answer(
        data=data,
        source=params.source.level,
        watermark=complete["watermark"],
        incomplete=below_retention(complete, IncompleteReason.BELOW_RETENTION, IncompleteReason.EDGE_BELOW_RETENTION),
        coverage=Coverage.of(complete["unpriced"], complete["unpriced_tokens"]),
    )


def _item(parts: _Parts, position: int | None, complete_cost: Decimal) -> AttributedCost:
    (row,) = parts[position, Part.VALUE]
    cost = sum_of(row, "cost")
    return AttributedCost(
        dimension_value=OTHER if position is None else row["value"],
        is_other=position is None,
        total_cost=row["cost"],
        prompt_cost=sum_of(row, "prompt_cost"),
        completion_cost=sum_of(row, "completion_cost"),
        request_count=sum_of(row, "requests"),
        unpriced_requests=sum_of(row, "unpriced"),
        total_tokens=sum_of(row, "tokens"),
        cost_percentage=None if row["cost"] is None else decimals.per_cent(cost, complete_cost),
        avg_cost_per_request=decimals.quotient(cost, sum_of(row, "priced")),
        by_provider=shares(parts[position, Part.PROVIDER], cost),
        by_model=shares(parts[position, Part.MODEL], cost),
    )


def _summary(row: Row, *, shown: int) -> AttributionSummary:
    return AttributionSummary(
        total_cost=sum_of(row, "cost"),
        prompt_cost=sum_of(row, "prompt_cost"),
        completion_cost=sum_of(row, "completion_cost"),
        total_requests=sum_of(row, "requests"),
        unpriced_requests=sum_of(row, "unpriced"),
        total_tokens=sum_of(row, "tokens"),
        avg_cost_per_request=decimals.quotient(sum_of(row, "cost"), sum_of(row, "priced")),
        total_values=sum_of(row, "value_count"),
        shown_values=shown,
    )
