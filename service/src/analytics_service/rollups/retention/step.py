"""The steps of a retention, for whoever runs it: a step is reported after it was committed. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class StepKind(StrEnum):
    REFRESHED = "refreshed"
    MOVED = "moved"
    DETACHED = "detached"
    DROPPED = "dropped"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class RetentionStep:
    kind: StepKind
    target: str
    """`raw`, or the name of a rollup, a partition or a chunk."""
    rows: int = 0
    """The number of rows that were deleted from a rollup."""
