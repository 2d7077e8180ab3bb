"""Freshness of the rollups and partitions that the worker keeps, from the results of its jobs. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from analytics_service.worker.state import JobState

MAX_LAG: Final = timedelta(seconds=120)
"""By which a refresh may be late, not counting the pause that it keeps on purpose."""
MAX_FAILURES: Final = 3
"""Of a job, in a row."""
MIN_RUNWAY: Final = timedelta(days=1)


class FreshnessReason(StrEnum):
    """Part of what the worker reports, so the values never change."""

    FRESH = "Fresh"
    LAG = "RollupsLag"
    FAILING = "JobsFailing"
    SHORT = "PartitionsShort"


@dataclass(frozen=True, kw_only=True)
class Freshness:
    fresh: bool
    reason: FreshnessReason
    message: str


def freshness(jobs: Mapping[str, JobState], *, since: datetime, now: datetime) -> Freshness | None:
    """None until the first refresh has succeeded or failed; `since` is when this process began to lead."""
    refresh = jobs["refresh"]
    if refresh.succeeded_at is None and not refresh.failures and now - since <= MAX_LAG:
        return None
    problems = [*_late(refresh, since, now), *_short(jobs["partitions"], now), *_failing(jobs)]
    if not problems:
        return Freshness(fresh=True, reason=FreshnessReason.FRESH, message="rollups, partitions and jobs are in order")
    return Freshness(fresh=False, reason=problems[0][0], message="; ".join(message for _, message in problems))


def _late(refresh: JobState, since: datetime, now: datetime) -> Iterator[tuple[FreshnessReason, str]]:
    """From the lateness that the last refresh reported and the time since: one that hangs or fails reports nothing."""
    silent = now - (refresh.succeeded_at or since)
    late = timedelta(seconds=refresh.details.get("late_seconds", 0)) + silent
    if late > MAX_LAG:
        yield FreshnessReason.LAG, f"rollups are {late.total_seconds():.0f} s late; answers read raw meanwhile"


def _short(partitions: JobState, now: datetime) -> Iterator[tuple[FreshnessReason, str]]:
    runway = partitions.details.get("runway_seconds")
    if runway is None or partitions.succeeded_at is None:
        return
    left = timedelta(seconds=runway) - (now - partitions.succeeded_at)
    if left < MIN_RUNWAY:
        yield FreshnessReason.SHORT, f"partitions end in {left.total_seconds() / 3600:.0f} h"


def _failing(jobs: Mapping[str, JobState]) -> Iterator[tuple[FreshnessReason, str]]:
    for name, state in jobs.items():
        if state.failures >= MAX_FAILURES:
            yield FreshnessReason.FAILING, f"{name} failed {state.failures} times in a row: {state.error}"
