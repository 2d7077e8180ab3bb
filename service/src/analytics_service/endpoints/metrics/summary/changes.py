"""Changes from one period to the next in per cent, or why there are none. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from typing_extensions import TypedDict

from analytics_service.units import decimals
from analytics_service.units.decimals import Number


class PeriodChanges(TypedDict):
    """Per cent, from the previous period to the current one."""

    requests_change_pct: Number | None
    requests_change_reason: str | None
    cost_change_pct: Number | None
    cost_change_reason: str | None
    duration_change_pct: Number | None
    """Of the average."""
    duration_change_reason: str | None
    error_rate_change_pct: Number | None
    error_rate_change_reason: str | None


def changes(previous: Mapping[str, Any], current: Mapping[str, Any], why_incomparable: str | None) -> PeriodChanges:
    """Of two PeriodSummary; null with its reason where they cannot be compared, or nothing was there before."""

    def change(name: str, what: str) -> tuple[Decimal | None, str | None]:
        before, after = previous[name], current[name]
        if why_incomparable is not None:
            return None, why_incomparable
        if before is None or after is None:
            return None, f"a period has no {what}"
        if before == 0:
            return None, f"the previous period has no {what}"
        return decimals.change(before, after), None

    requests, cost = change("total_requests", "requests"), change("total_cost_usd", "costs")
    duration, errors = change("avg_duration_ms", "durations"), change("error_rate", "errors")
    return PeriodChanges(
        requests_change_pct=requests[0],
        requests_change_reason=requests[1],
        cost_change_pct=cost[0],
        cost_change_reason=cost[1],
        duration_change_pct=duration[0],
        duration_change_reason=duration[1],
        error_rate_change_pct=errors[0],
        error_rate_change_reason=errors[1],
    )
