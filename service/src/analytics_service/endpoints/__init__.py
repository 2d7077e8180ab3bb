"""The API on a screen. To add a route: one module with a value `ENDPOINT`, one line here, one case in the tests."""

from typing import Any

from analytics_service.endpoints import costs_summary, metrics, trace, traces
from analytics_service.http.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    traces.ENDPOINT,
    trace.ENDPOINT,
    metrics.ENDPOINT,
    costs_summary.ENDPOINT,
)
