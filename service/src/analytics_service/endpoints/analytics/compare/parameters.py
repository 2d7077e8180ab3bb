"""The parameters of a comparison of models."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Final

from pydantic import Field

from analytics_service.contract.parameters import CSV, RangedParameters, Text
from analytics_service.endpoints.scores.parameters import Name
from analytics_service.rollups.levels import Level, choose
from analytics_service.units import intervals, zones
from analytics_service.units.intervals import Interval


class ComparedMetric(StrEnum):
    AVG_COST_PER_REQUEST = "avg_cost_per_request"
    AVG_COST_PER_1K_TOKENS = "avg_cost_per_1k_tokens"
    AVG_TOKENS_PER_REQUEST = "avg_tokens_per_request"
    AVG_LATENCY_MS = "avg_latency_ms"
    P50_LATENCY_MS = "p50_latency_ms"
    P95_LATENCY_MS = "p95_latency_ms"
    ERROR_RATE = "error_rate"
    AVG_FEEDBACK_SCORE = "avg_feedback_score"


_PERIODS: Final = (
    (timedelta(days=30), Interval.DAY),
    (timedelta(days=2), Interval.HOUR),
    (timedelta(hours=4), Interval.MIN5),
)
"""The shortest range of each period: there are 30 or more of it."""


class CompareParameters(RangedParameters):
    default_range: ClassVar[timedelta] = timedelta(days=7)
    max_range: ClassVar[timedelta] = timedelta(days=90)

    models: Annotated[tuple[Text, ...], *CSV, Field(min_length=2, max_length=10, examples=[["gpt-4o", "gpt-4o-mini"]])]
    """Their names; one that several providers have is compared by provider."""
    metrics: Annotated[tuple[ComparedMetric, ...], *CSV, Field(min_length=1)] = tuple(ComparedMetric)
    provider: Text | None = None
    environment: Text | None = None
    project_id: Text | None = None
    feedback_score: Name = "feedback"
    """The name of the numeric or boolean scores that avg_feedback_score is of."""
    min_sample: Annotated[int, Field(ge=30, le=1_000_000)] = 30
    """Of requests, or of scores: a figure of fewer has no interval, and no part in the summary."""

    @property
    def period(self) -> Interval:
        """In which the spread of averages is measured."""
        return next((each for shortest, each in _PERIODS if self.range.length >= shortest), Interval.MIN1)

    @cached_property
    def starts(self) -> list[datetime]:
        """Where each period begins, in UTC; the first may begin before the range."""
        return intervals.starts(self.range, self.period, zones.zone("UTC"))

    @cached_property
    def level(self) -> Level:
        return choose(start=self.range.start, end=self.range.end, width=self.period.width)
