"""The sums that answers about costs are made of, and shares of them. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Row, sum_of
from analytics_service.rollups.query.coverage import COVERAGE
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

SUMS: Final = f"""sum(r.request_count) AS requests, sum(r.total_cost_usd_sum) AS cost,
  sum(r.prompt_cost_usd_sum) AS prompt_cost, sum(r.completion_cost_usd_sum) AS completion_cost,
  sum(r.total_tokens_sum) AS tokens, {COVERAGE}"""
"""SQL: the select list over rows `r` of `requests`."""
COLUMNS: Final = (
    *("requests", "cost", "prompt_cost", "completion_cost"),
    *("tokens", "priced", "unpriced", "unpriced_tokens"),
)
"""Of SUMS."""


class Share(TypedDict):
    name: str
    cost: Number | None
    """Null where none of its requests has a cost."""
    requests: Number
    unpriced_requests: Number
    percentage: Number | None
    """Of the costs that it is a share of."""
    avg_cost_per_request: Number | None


def shares(rows: Sequence[Row], cost: Decimal) -> list[Share]:
    """The rows, by `name`, as shares of `cost`; the most expensive first."""
    unsorted = [
        Share(
            name=row["name"],
            cost=row["cost"],
            requests=sum_of(row, "requests"),
            unpriced_requests=sum_of(row, "unpriced"),
            percentage=None if row["cost"] is None else decimals.per_cent(row["cost"], cost),
            avg_cost_per_request=decimals.quotient(sum_of(row, "cost"), sum_of(row, "priced")),
        )
        for row in rows
    ]
    by_name = sorted(unsorted, key=lambda share: share["name"])
    return sorted(by_name, key=lambda share: -1 if share["cost"] is None else share["cost"], reverse=True)
