"""Freshness of the rollups and partitions that the worker keeps, and of vacuum, from the results of its jobs. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from analytics_service.worker.state import JobState

MAX_LAG: Final = timedelta(seconds=120)
"""By which a refresh may be late, not counting the pause that it keeps on purpose."""
MAX_FAILURES: Final = 3
"""Of a job, in a row."""
MIN_RUNWAY: Final = timedelta(days=1)
MAX_SNAPSHOT_AGE: Final = timedelta(hours=1)
MAX_BACKUP_AGE: Final = timedelta(hours=12)
"""Of the snapshot of a pg_dump, which is on purpose and ends: a night."""


class FreshnessReason(StrEnum):
    """Part of what the worker reports, so the values never change."""

    FRESH = "Fresh"
    LAG = "RollupsLag"
    FAILING = "JobsFailing"
    SHORT = "PartitionsShort"
    SNAPSHOT = "OldSnapshot"
    """The only one that may also be a warning, while all is fresh."""


@dataclass(frozen=True, kw_only=True)
class Freshness:
    fresh: bool
    reason: FreshnessReason
    message: str


def freshness(jobs: Mapping[str, JobState], *, since: datetime, now: datetime) -> Freshness | None:
    """None until the first refresh has succeeded or failed; `since` is when this process began to lead.

    An old snapshot is a warning first, by reason and message: answers stay right and rollups on time, and one limit
    alone would wake somebody for every long report. Beyond MAX_SNAPSHOT_AGE nothing is fresh: by then each question
    steps over so many dead entries that clients notice (at a hundred rows a second, each in a statement of its own,
    360,000 entries or 60 ms), and nothing but a person ends it.
    """
    refresh = jobs["refresh"]
    if refresh.succeeded_at is None and not refresh.failures and now - since <= MAX_LAG:
        return None
    problems = [*_late(refresh, since, now), *_short(jobs["partitions"], now), *_failing(jobs)]
    snapshots, too_old = _old_snapshots(jobs["snapshots"])
    causes = [*problems, *((FreshnessReason.SNAPSHOT, message) for message in snapshots)]
    if not causes:
        return Freshness(fresh=True, reason=FreshnessReason.FRESH, message="rollups, partitions and jobs are in order")
    message = "; ".join(message for _, message in causes)
    return Freshness(fresh=not problems and not too_old, reason=causes[0][0], message=message)


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


def _old_snapshots(snapshots: JobState) -> tuple[list[str], bool]:
    """The message, if any, and whether a snapshot is older than may be."""
    old = snapshots.details.get("old_snapshots", [])
    too_old = [each for each in old if each["seconds"] > _max_age(each).total_seconds()]
    if not old:
        return [], False
    others = " and others" if len(old) > 1 else ""
    message = f"vacuum waits for {(too_old or old)[0]['message']}{others} (analytics-service doctor names the cure)"
    return [message], bool(too_old)


def _max_age(snapshot: Mapping[str, Any]) -> timedelta:
    return MAX_BACKUP_AGE if snapshot["backup"] else MAX_SNAPSHOT_AGE
