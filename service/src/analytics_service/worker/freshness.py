"""Whether what the worker keeps is fresh: from what its jobs did and saw. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from analytics_service.worker.state import JobState

LONGEST_LAG: Final = timedelta(seconds=120)
"""That a refresh may be late, beyond the pause that it keeps on purpose."""
MOST_FAILURES: Final = 3
"""Of a job, in a row."""
SHORTEST_RUNWAY: Final = timedelta(days=1)


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
    """None until the rollups were looked at once, or could not be; `since` is when this process began to lead."""
    refresh = jobs["refresh"]
    if refresh.succeeded_at is None and not refresh.failures and now - since <= LONGEST_LAG:
        return None
    wrong = [*_late(refresh, since, now), *_short(jobs["partitions"], now), *_failing(jobs)]
    if not wrong:
        return Freshness(fresh=True, reason=FreshnessReason.FRESH, message="rollups, partitions and jobs are in order")
    return Freshness(fresh=False, reason=wrong[0][0], message="; ".join(message for _, message in wrong))


def _late(refresh: JobState, since: datetime, now: datetime) -> Iterator[tuple[FreshnessReason, str]]:
    """By what the refresh saw last, and by how long ago that was: one that hangs, or fails, sees nothing."""
    silent = now - (refresh.succeeded_at or since)
    late = timedelta(seconds=refresh.found.get("late_seconds", 0)) + silent
    if late > LONGEST_LAG:
        yield FreshnessReason.LAG, f"rollups are {late.total_seconds():.0f} s late; answers read raw meanwhile"


def _short(partitions: JobState, now: datetime) -> Iterator[tuple[FreshnessReason, str]]:
    runway = partitions.found.get("runway_seconds")
    if runway is None or partitions.succeeded_at is None:
        return
    left = timedelta(seconds=runway) - (now - partitions.succeeded_at)
    if left < SHORTEST_RUNWAY:
        yield FreshnessReason.SHORT, f"partitions end in {left.total_seconds() / 3600:.0f} h"


def _failing(jobs: Mapping[str, JobState]) -> Iterator[tuple[FreshnessReason, str]]:
    for name, state in jobs.items():
        if state.failures >= MOST_FAILURES:
            yield FreshnessReason.FAILING, f"{name} failed {state.failures} times in a row: {state.error}"
