"""Tables of the metrics: the column that each is computed from, and its default aggregation. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Metric(StrEnum):
    REQUEST_COUNT = "request_count"
    DURATION = "duration"
    TOTAL_COST = "total_cost"
    PROMPT_COST = "prompt_cost"
    COMPLETION_COST = "completion_cost"
    TOTAL_TOKENS = "total_tokens"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    ERROR_COUNT = "error_count"
    SUCCESS_COUNT = "success_count"
    ERROR_RATE = "error_rate"
    SUCCESS_RATE = "success_rate"
    THROUGHPUT = "throughput"
    TIME_TO_FIRST_TOKEN = "time_to_first_token"  # noqa: S105 - no secret
    UNIQUE_USERS = "unique_users"
    UNIQUE_SESSIONS = "unique_sessions"


class Aggregation(StrEnum):
    AVG = "avg"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"


PERCENTILES: Final[Mapping[Aggregation, str]] = MappingProxyType(
    {Aggregation.P50: "0.5", Aggregation.P90: "0.9", Aggregation.P95: "0.95", Aggregation.P99: "0.99"}
)


class Dimension(StrEnum):
    PROVIDER = "provider"
    MODEL = "model"
    ENVIRONMENT = "environment"
    STATUS_CODE = "status_code"
    USER_ID = "user_id"
    SESSION_ID = "session_id"
    PROJECT_ID = "project_id"
    TEAM_ID = "team_id"
    OPERATION_TYPE = "operation_type"


@dataclass(frozen=True, kw_only=True)
class ValueMetric:
    """A metric that any aggregation can be taken of."""

    column: str
    default: Aggregation
    milliseconds: bool = False
    """The column holds microseconds."""


VALUE_METRICS: Final[Mapping[Metric, ValueMetric]] = MappingProxyType(
    {
        Metric.DURATION: ValueMetric(column="duration_us", default=Aggregation.AVG, milliseconds=True),
        Metric.TIME_TO_FIRST_TOKEN: ValueMetric(column="ttft_us", default=Aggregation.AVG, milliseconds=True),
        Metric.TOTAL_COST: ValueMetric(column="total_cost_usd", default=Aggregation.SUM),
        Metric.PROMPT_COST: ValueMetric(column="prompt_cost_usd", default=Aggregation.SUM),
        Metric.COMPLETION_COST: ValueMetric(column="completion_cost_usd", default=Aggregation.SUM),
        Metric.TOTAL_TOKENS: ValueMetric(column="total_tokens", default=Aggregation.SUM),
        Metric.PROMPT_TOKENS: ValueMetric(column="prompt_tokens", default=Aggregation.SUM),
        Metric.COMPLETION_TOKENS: ValueMetric(column="completion_tokens", default=Aggregation.SUM),
    }
)
COSTS: Final = frozenset({Metric.TOTAL_COST, Metric.PROMPT_COST, Metric.COMPLETION_COST})
LATENCIES: Final = frozenset({Metric.DURATION, Metric.TIME_TO_FIRST_TOKEN})
"""Metrics with sketches."""
DISTINCT_COUNTS: Final[Mapping[Metric, str]] = MappingProxyType(
    {Metric.UNIQUE_USERS: "user_id", Metric.UNIQUE_SESSIONS: "session_id"}
)
"""Counts of distinct values, which only raw holds exactly."""


def column_name(metric: Metric, aggregation: Aggregation) -> str:
    """Returns the statement's column of the aggregation."""
    return f"{metric}_{aggregation}"
