"""The API on a screen. To add a route: one module or folder with a value `ENDPOINT`, one line here, one case in the
tests.
"""

from typing import Any

from analytics_service.contract.endpoint import Endpoint, Receive
from analytics_service.endpoints.analytics.compare import ENDPOINT as COMPARE_MODELS
from analytics_service.endpoints.analytics.optimization import ENDPOINT as GET_OPTIMIZATION
from analytics_service.endpoints.analytics.performance import ENDPOINT as GET_PERFORMANCE
from analytics_service.endpoints.analytics.quality import ENDPOINT as GET_QUALITY
from analytics_service.endpoints.auth.me import ENDPOINT as GET_CALLER
from analytics_service.endpoints.costs.attribution import ENDPOINT as GET_COSTS_ATTRIBUTION
from analytics_service.endpoints.costs.explain import ENDPOINT as GET_COSTS_EXPLANATION
from analytics_service.endpoints.costs.forecast import ENDPOINT as GET_COSTS_FORECAST
from analytics_service.endpoints.costs.summary import ENDPOINT as GET_COSTS_SUMMARY
from analytics_service.endpoints.exports.cancel import ENDPOINT as CANCEL_EXPORT
from analytics_service.endpoints.exports.create import ENDPOINT as CREATE_EXPORT
from analytics_service.endpoints.exports.detail import ENDPOINT as GET_EXPORT
from analytics_service.endpoints.exports.download import ENDPOINT as DOWNLOAD_EXPORT
from analytics_service.endpoints.exports.listing import ENDPOINT as LIST_EXPORTS
from analytics_service.endpoints.ingest import ENDPOINTS as INGEST
from analytics_service.endpoints.keys.create import ENDPOINT as CREATE_KEY
from analytics_service.endpoints.keys.listing import ENDPOINT as LIST_KEYS
from analytics_service.endpoints.keys.revoke import ENDPOINT as REVOKE_KEY
from analytics_service.endpoints.keys.rotate import ENDPOINT as ROTATE_KEY
from analytics_service.endpoints.metrics.query import ENDPOINT as QUERY_METRICS
from analytics_service.endpoints.metrics.series import ENDPOINT as GET_METRICS
from analytics_service.endpoints.metrics.summary import ENDPOINT as GET_METRICS_SUMMARY
from analytics_service.endpoints.prices.coverage import ENDPOINT as GET_PRICE_COVERAGE
from analytics_service.endpoints.scores.create import ENDPOINT as CREATE_SCORE
from analytics_service.endpoints.traces.detail import ENDPOINT as GET_TRACE
from analytics_service.endpoints.traces.forget import ENDPOINT as FORGET_USER
from analytics_service.endpoints.traces.list import ENDPOINT as LIST_TRACES
from analytics_service.endpoints.traces.search import ENDPOINT as SEARCH_TRACES

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    LIST_TRACES,
    SEARCH_TRACES,
    GET_TRACE,
    FORGET_USER,
    GET_METRICS,
    GET_METRICS_SUMMARY,
    QUERY_METRICS,
    GET_COSTS_SUMMARY,
    GET_COSTS_ATTRIBUTION,
    GET_COSTS_FORECAST,
    GET_COSTS_EXPLANATION,
    GET_PRICE_COVERAGE,
    CREATE_EXPORT,
    LIST_EXPORTS,
    GET_EXPORT,
    CANCEL_EXPORT,
    DOWNLOAD_EXPORT,
    GET_PERFORMANCE,
    GET_QUALITY,
    COMPARE_MODELS,
    GET_OPTIMIZATION,
    CREATE_SCORE,
    LIST_KEYS,
    CREATE_KEY,
    REVOKE_KEY,
    ROTATE_KEY,
    GET_CALLER,
)
"""Those that answer questions."""
INGEST_ENDPOINTS: tuple[Receive[Any], ...] = INGEST
"""Those that take rows."""
