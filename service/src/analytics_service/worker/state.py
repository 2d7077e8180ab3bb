"""How a job went. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(kw_only=True)
class JobState:
    """How a job went, as far as this process did it."""

    succeeded_at: datetime | None = None
    seconds: float | None = None
    """Of the last time that it succeeded."""
    failures: int = 0
    """In a row."""
    error: str | None = None
    """Of the last of those, in one line without secrets."""
    found: dict[str, Any] = field(default_factory=dict)
    """What it did or saw when it last succeeded."""
