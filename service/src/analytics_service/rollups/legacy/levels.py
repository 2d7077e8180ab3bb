"""The rollups of the release before, and the columns that each has. Pure SQL text over `traces AS t`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from analytics_service.rollups import sketches

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


class Level(StrEnum):
    """The value is its name in the log `rollup_dirty` and in `rollup_level`."""

    MIN1 = "1min"
    MIN15 = "15min"
    HOUR = "1hour"
    DAY = "1day"
    LATENCY = "1hour_latency"
    DAY_LATENCY = "1day_latency"
    USERS = "1hour_users"
    DAY_USER = "1day_user"
    DAY_TEAM = "1day_team"
    DAY_TAG = "1day_tag"

    @property
    def step(self) -> timedelta:
        """The width of a bucket."""
        return _STEPS[self]

    @property
    def table(self) -> str:
        return f"rollup_{self.value}"


_STEPS: Final = {
    Level.MIN1: timedelta(minutes=1),
    Level.MIN15: timedelta(minutes=15),
    Level.HOUR: _HOUR,
    Level.DAY: _DAY,
    Level.LATENCY: _HOUR,
    Level.DAY_LATENCY: _DAY,
    Level.USERS: _HOUR,
    Level.DAY_USER: _DAY,
    Level.DAY_TEAM: _DAY,
    Level.DAY_TAG: _DAY,
}
_DIMENSIONS: Final = ("org_id", "project_id", "environment", "provider", "model", "operation_type", "status_code")
_MEASURES: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cost_usd", "completion_cost_usd", "total_cost_usd"),
    *("duration_us", "ttft_us"),
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The columns of a rollup beside its bucket, in the order of the INSERT."""

    keys: Mapping[str, str]
    """SQL of what rows are grouped by, by column."""
    sums: Mapping[str, str]
    joined: str = ""
    """SQL: the join that makes several rows of one row of raw, or none."""


def _keys(*more: tuple[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name: f"t.{name}" for name in _DIMENSIONS} | dict(more))


def _totals() -> dict[str, str]:
    sums = {"request_count": "count(*)"}
    for measure in _MEASURES:
        sums |= {
            f"{measure}_sum": f"sum(t.{measure})::numeric",
            f"{measure}_count": f"count(t.{measure})",
            f"{measure}_min": f"min(t.{measure})",
            f"{measure}_max": f"max(t.{measure})",
        }
    return sums


_TOTALS: Final = Shape(keys=_keys(), sums=MappingProxyType(_totals()))
_LATENCY: Final = Shape(
    keys=_keys(("measure", "m.measure"), ("bin", sketches.bin_of("m.value"))),
    sums=MappingProxyType({"n": "count(*)"}),
    joined="JOIN LATERAL (VALUES ('duration_us', t.duration_us), ('ttft_us', t.ttft_us)) AS m (measure, value)"
    " ON m.value IS NOT NULL",
)
SHAPES: Final[Mapping[Level, Shape]] = MappingProxyType(
    {
        **dict.fromkeys((Level.MIN1, Level.MIN15, Level.HOUR, Level.DAY), _TOTALS),
        **dict.fromkeys((Level.LATENCY, Level.DAY_LATENCY), _LATENCY),
        Level.USERS: Shape(
            keys=_keys(("reg", sketches.register_of("h.hash"))),
            sums=MappingProxyType({"rank": f"max({sketches.rank_of('h.hash')})"}),
            joined=f"JOIN LATERAL (VALUES ({sketches.hash_of('t.user_id')})) AS h (hash) ON h.hash IS NOT NULL",
        ),
        Level.DAY_USER: Shape(keys=_keys(("user_id", "t.user_id")), sums=_TOTALS.sums),
        Level.DAY_TEAM: Shape(keys=_keys(("team_id", "t.team_id")), sums=_TOTALS.sums),
        # a tag that a request has twice counts once
        Level.DAY_TAG: Shape(
            keys=_keys(("tag", "u.tag")),
            sums=_TOTALS.sums,
            joined="LEFT JOIN LATERAL (SELECT DISTINCT tag FROM unnest(t.tags) AS each (tag)) AS u ON true",
        ),
    }
)
