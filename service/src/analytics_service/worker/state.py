"""The state of a job. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(kw_only=True)
class JobState:
    """The last success and the failures since then, as far as this process ran the job."""

    succeeded_at: datetime | None = None
    seconds: float | None = None
    """Duration of the last run that succeeded."""
    failures: int = 0
    """In a row."""
    error: str | None = None
    """Of the last of those, in one line without secrets."""
    details: dict[str, Any] = field(default_factory=dict)
    """The result of the last run that succeeded."""

    def as_dict(self) -> dict[str, Any]:
        """With the names that released versions report at /status."""
        return {
            "succeeded_at": self.succeeded_at,
            "seconds": self.seconds,
            "failures": self.failures,
            "error": self.error,
            "found": self.details,
        }
