"""The tables of the hierarchy, and which finer one each is made of. Pure."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from analytics_service.rollups.hierarchy.steps import Step


class Table(StrEnum):
    """The value is its name in `rollup_horizon`."""

    TOTALS_1MIN = "totals_1min"
    TOTALS_15MIN = "totals_15min"
    TOTALS_1HOUR = "totals_1hour"
    TOTALS_1DAY = "totals_1day"
    LATENCY_1MIN = "latency_1min"
    LATENCY_15MIN = "latency_15min"
    LATENCY_1HOUR = "latency_1hour"
    LATENCY_6HOUR = "latency_6hour"
    LATENCY_1DAY = "latency_1day"
    USERS_1HOUR = "users_1hour"
    USERS_6HOUR = "users_6hour"
    PART = "part"
    USER_1DAY = "user_1day"
    TEAM_1DAY = "team_1day"
    TAG_1DAY = "tag_1day"

    @property
    def sql(self) -> str:
        """The name of the table in the database."""
        return f"rollup_{self.value}"

    @property
    def step(self) -> timedelta:
        return PART_STEP if self is Table.PART else Step(self.value.partition("_")[2]).width


PART_STEP: Final = Step.QUARTER.width

FINER: Final = {
    Table.TOTALS_15MIN: Table.TOTALS_1MIN,
    Table.TOTALS_1HOUR: Table.TOTALS_15MIN,
    Table.TOTALS_1DAY: Table.TOTALS_1HOUR,
    Table.LATENCY_15MIN: Table.LATENCY_1MIN,
    Table.LATENCY_1HOUR: Table.LATENCY_15MIN,
    Table.LATENCY_6HOUR: Table.LATENCY_1HOUR,
    Table.LATENCY_1DAY: Table.LATENCY_6HOUR,
    Table.USERS_1HOUR: Table.PART,
    Table.USERS_6HOUR: Table.USERS_1HOUR,
}
"""The table that each is made of; the others are made of raw."""


class Stage(StrEnum):
    """What is stale above the minutes, in the order in which it is rebuilt; the value is `step` in `rollup_stale`."""

    QUARTER = "15min"
    HOUR = "1hour"
    SIX_HOURS = "6hour"
    DAY = "1day"
    PART = "part"
    USERS_1HOUR = "users_1hour"
    USERS_6HOUR = "users_6hour"

    @property
    def width(self) -> timedelta:
        return _STAGES[self][0]

    @property
    def tables(self) -> tuple[Table, ...]:
        return _STAGES[self][1]

    @property
    def finer(self) -> "tuple[Stage, ...]":
        """The stages whose stale buckets make one of this stage stale too, as the log does."""
        return _STAGES[self][2]

    @property
    def coarser(self) -> "Stage | None":
        """The stage that is stale once a bucket of this one was rebuilt."""
        return next((stage for stage in Stage if self in stage.finer[-1:]), None)


_STAGES: Final[dict[Stage, tuple[timedelta, tuple[Table, ...], tuple[Stage, ...]]]] = {
    Stage.QUARTER: (Step.QUARTER.width, (Table.TOTALS_15MIN, Table.LATENCY_15MIN), ()),
    Stage.HOUR: (Step.HOUR.width, (Table.TOTALS_1HOUR, Table.LATENCY_1HOUR), (Stage.QUARTER,)),
    Stage.SIX_HOURS: (Step.SIX_HOURS.width, (Table.LATENCY_6HOUR,), (Stage.QUARTER, Stage.HOUR)),
    Stage.DAY: (
        Step.DAY.width,
        (Table.TOTALS_1DAY, Table.LATENCY_1DAY),
        (Stage.QUARTER, Stage.HOUR, Stage.SIX_HOURS),
    ),
    Stage.PART: (PART_STEP, (Table.PART,), ()),
    Stage.USERS_1HOUR: (Step.HOUR.width, (Table.USERS_1HOUR,), (Stage.PART,)),
    Stage.USERS_6HOUR: (Step.SIX_HOURS.width, (Table.USERS_6HOUR,), (Stage.PART, Stage.USERS_1HOUR)),
}
