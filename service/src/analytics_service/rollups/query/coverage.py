"""Which requests the sums of costs cover: SQL over rows `r` of `requests`. Pure.

A request has a cost, of its own or computed, or none; it is `partial` where a part of what it used has no price: its
cost is a lower bound. Rows of releases before 0.4 have no status: of those the tokens of a combination and bucket count
as unpriced where none of its requests has a cost.
"""

from typing import Final

IS_PRICED: Final = "r.price_status <> 'none' AND r.total_cost_usd_count > 0"
"""Whether the requests of a row have a cost."""
PRICED: Final = "sum(r.total_cost_usd_count)"
"""Requests with a cost: what averages are over."""
PRICED_TOKENS: Final = f"sum(r.total_tokens_sum) FILTER (WHERE {IS_PRICED})"
UNPRICED: Final = "sum(r.request_count - CASE WHEN r.price_status = 'partial' THEN 0 ELSE r.total_cost_usd_count END)"
"""Requests without a cost, or with one that is a lower bound."""
UNPRICED_TOKENS: Final = (
    "sum(r.total_tokens_sum) FILTER (WHERE r.price_status IN ('none', 'partial') OR r.total_cost_usd_count = 0)"
)
COVERAGE: Final = f"{PRICED} AS priced, {UNPRICED} AS unpriced, {UNPRICED_TOKENS} AS unpriced_tokens"
