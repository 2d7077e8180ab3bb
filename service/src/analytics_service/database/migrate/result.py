"""The result of a run of migrate for programs, as short as a container's termination message has to be. Pure."""

import dataclasses
import json
from dataclasses import dataclass

from analytics_service.settings import Settings

MAX_BYTES = 3584
VALUES = ("APP_HOST=::",)
"""Values that an earlier release does not take, or takes for something else, of settings that it knows."""


@dataclass(frozen=True, kw_only=True)
class MigrationResult:
    """The outcome of a run. `reason` is one of the reasons of database/failures.py or of migrate/runner.py."""

    succeeded: bool
    reason: str
    message: str
    version: int = 0
    target: int = 0
    min_compatible_schema: int = 1
    edition: str | None = None
    """None too where TimescaleDB would be made, and nothing says under which licence."""
    server: str | None = None
    extension: str | None = None
    connection_limit: int | None = None
    """Connections that the database allows its user."""
    applied: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


def known_settings() -> tuple[str, ...]:
    """Names of the variables that this release reads, and NAME=VALUE for VALUES: the operator gives pods no others."""
    return (*sorted(name.upper() for name in Settings.model_fields), *VALUES)


def as_json(result: MigrationResult) -> str:
    """One JSON object of at most MAX_BYTES; `truncated` says that its message or its lists of migrations were cut."""
    fields = dataclasses.asdict(result)
    outcome = "succeeded" if fields.pop("succeeded") else "failed"
    body = {"outcome": outcome, **fields, "settings": known_settings(), "truncated": False}
    text = json.dumps(body)
    while len(text) > MAX_BYTES:
        body["truncated"] = True
        longest = max(("message", "applied", "pending"), key=lambda name: len(json.dumps(body[name])))
        body[longest] = body[longest][: max(len(body[longest]) * 3 // 4, 1)]
        text = json.dumps(body)
    return text
