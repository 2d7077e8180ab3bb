"""What a plan shows, and the hash by which it is approved. Pure.

A plan is computed, not stored: what an administrator approves is a hash of the user and of all that the plan shows. It
is stored once it is applied, without the user.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Row, sum_of
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

_HASH_DIGITS: Final = 16


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose rows are deleted, and where."""

    organisation: str
    projects: list[str] | None
    """None: all of the organisation."""
    user: str


class ForgetState(StrEnum):
    PLANNED = "planned"
    APPLYING = "applying"
    """Rows are left: the same request goes on."""
    APPLIED = "applied"


class DayOfRows(TypedDict):
    """The rows of a UTC day that are deleted; requests, tokens and costs are those that its sums lose."""

    day: str
    rows: int
    requests: int
    total_tokens: int
    total_cost_usd: Number


class DayBeforeRaw(TypedDict):
    """A UTC day whose rows have ended: its sums stay, and its requests of the user become requests without a user."""

    day: str
    requests: int


EXAMPLE: Final = {
    "plan": "3f0c9a4be21d7758",
    "state": "planned",
    "rows": 3,
    "rows_without_user": 1,
    "rows_of_shared_traces": 0,
    "rows_deleted": 0,
    "scores": 2,
    "days": [{"day": "2026-11-02", "rows": 3, "requests": 2, "total_tokens": 1830, "total_cost_usd": 0.00915}],
    "days_before_raw": [{"day": "2026-07-14", "requests": 12}],
    "raw_since": "2026-08-30T00:00:00Z",
}


class Forgetting(TypedDict):
    """The rows of a user: what would be deleted, or has been."""

    plan: str | None
    """The hash to apply it by; null where there is nothing of the user."""
    state: ForgetState
    rows: int
    """That are deleted."""
    rows_without_user: int
    """Of them those that name no user, in traces that name this user and no other."""
    rows_of_shared_traces: int
    """Rows that name no user, in traces of several users: they stay."""
    rows_deleted: int
    """So far."""
    scores: int
    """That are deleted with the rows: of these, of traces that have some of these, and of the user."""
    days: list[DayOfRows]
    days_before_raw: list[DayBeforeRaw]
    raw_since: datetime | None
    """Rows before it have ended with their retention; null where none have."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a plan shows, as JSON that is the same again once it was stored."""

    content: Mapping[str, Any]

    @classmethod
    def of(cls, rows: Sequence[Row], before: Sequence[Row], raw_since: datetime | None) -> "Report":
        """From the rows of statements.rows and statements.days_before_raw."""
        days = [
            {
                "day": f"{row['day']:%Y-%m-%d}",
                "rows": row["rows"],
                "requests": row["requests"],
                "total_tokens": int(sum_of(row, "total_tokens")),
                "total_cost_usd": decimals.plain(sum_of(row, "total_cost_usd")),
                "keys": row["keys"],
            }
            for row in rows
        ]
        return cls(
            content={
                "rows": sum(row["rows"] for row in rows),
                "rows_without_user": sum(row["without_user"] for row in rows),
                "rows_of_shared_traces": rows[0]["of_shared_traces"] if rows else 0,
                "scores": rows[0]["scores"] if rows else 0,
                "days": days,
                "days_before_raw": [
                    {"day": f"{row['day']:%Y-%m-%d}", "requests": int(row["requests"])} for row in before
                ],
                "raw_since": None if raw_since is None else raw_since.isoformat(),
            }
        )

    @property
    def is_empty(self) -> bool:
        return not self.content["days"] and not self.content["days_before_raw"]

    @property
    def days(self) -> list[datetime]:
        """The starts of the UTC days that have something of the user."""
        listed = (*self.content["days"], *self.content["days_before_raw"])
        return [datetime.fromisoformat(day["day"]).replace(tzinfo=UTC) for day in listed]

    def hash(self, subject: Subject) -> str:
        """Differs where the user does, or anything that the plan shows; `keys` stands for the rows themselves."""
        content = [subject.organisation, subject.projects, subject.user, self.content]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]

    def shown(self, plan: str | None, state: ForgetState, *, rows_deleted: int = 0) -> Forgetting:
        content = self.content
        since = content["raw_since"]
        return Forgetting(
            plan=plan,
            state=state,
            rows=content["rows"],
            rows_without_user=content["rows_without_user"],
            rows_of_shared_traces=content["rows_of_shared_traces"],
            rows_deleted=rows_deleted,
            scores=content["scores"],
            days=[
                DayOfRows(
                    day=day["day"],
                    rows=day["rows"],
                    requests=day["requests"],
                    total_tokens=day["total_tokens"],
                    total_cost_usd=Decimal(day["total_cost_usd"]),
                )
                for day in content["days"]
            ],
            days_before_raw=[
                DayBeforeRaw(day=day["day"], requests=day["requests"]) for day in content["days_before_raw"]
            ],
            raw_since=None if since is None else datetime.fromisoformat(since),
        )
