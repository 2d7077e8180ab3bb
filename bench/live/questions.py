"""What is asked while rows arrive, and the same of closed days. Pure.

No two questions have the same range, so that no cache has an answer: one that reaches today ends at the microsecond in
which it is asked, and one of closed days begins some microseconds early, where no row is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Question:
    name: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    days: int = 1
    """UTC days, today being the last; of one day, the last 24 hours."""
    of_trace: bool = False
    """Asks for a single trace, in all time."""

    def live(self, now: datetime) -> str:
        """Path and query string of the range that ends now."""
        start = now - _DAY if self.days == 1 else midnight(now) - (self.days - 1) * _DAY
        return self._ranged(start, now)

    def at_rest(self, now: datetime, number: int) -> str:
        """The same of as many whole days before today; no two numbers give the same range."""
        end = midnight(now)
        return self._ranged(end - self.days * _DAY - (number + 1) * _MICROSECOND, end)

    def trace(self, trace_id: str) -> str:
        return f"{self.path}/{trace_id}"

    def _ranged(self, start: datetime, end: datetime) -> str:
        moments = {name: f"{each:%Y-%m-%dT%H:%M:%S.%fZ}" for name, each in (("from", start), ("to", end))}
        return f"{self.path}?{urlencode({**self.parameters, **moments})}"


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _metrics(name: str, days: int, **parameters: str) -> Question:
    interval = "1hour" if days == 1 else "1day"
    return Question(name=name, path="/api/v1/metrics", days=days, parameters={"interval": interval, **parameters})


HOURS = _metrics("24 h by hour", 1, metrics="request_count,total_cost,total_tokens,duration", group_by="model")
COSTS = Question(name="costs, 7 d", path="/api/v1/costs/summary", days=7)
PERCENTILES = _metrics("p95, 24 h by hour", 1, metrics="duration", aggregation="p95")
USERS = _metrics("unique users, 8 d by day", 8, metrics="unique_users")
LIST = Question(name="list", path="/api/v1/traces")
DETAIL = Question(name="detail", path="/api/v1/traces", of_trace=True)
QUESTIONS = (
    HOURS,
    COSTS,
    PERCENTILES,
    USERS,
    _metrics("by user, 30 d", 30, metrics="request_count,total_cost", group_by="user_id"),
    _metrics("by team, 30 d", 30, metrics="request_count,total_cost", group_by="team_id"),
    LIST,
    DETAIL,
)
COUNTS = _metrics("requests of a day", 1, metrics="request_count")
