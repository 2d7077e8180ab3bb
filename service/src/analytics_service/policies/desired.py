"""The policies that the settings ask for, and the rules that their values have to keep. Pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.legacy.levels import Level
from analytics_service.settings import Settings


class Policy(StrEnum):
    """In the order of every table; the value is the name that people see."""

    RAW = "raw retention"
    MIN1 = "1min retention"
    HOUR1 = "1hour retention"
    DAY1 = "1day retention"
    COMPRESSION = "compression"
    CHUNK = "chunk interval"


Values: TypeAlias = Mapping[Policy, int | None]
"""Days, or hours of the chunk interval; None keeps for ever, or never compresses."""

GOVERNED: Final[Mapping[Policy, tuple[Table, ...]]] = MappingProxyType(
    {
        Policy.RAW: (Table.PART,),
        Policy.MIN1: (Table.TOTALS_1MIN, Table.LATENCY_1MIN, Table.LATENCY_15MIN),
        Policy.HOUR1: (
            *(Table.TOTALS_15MIN, Table.TOTALS_1HOUR, Table.LATENCY_1HOUR, Table.LATENCY_6HOUR, Table.LATENCY_1DAY),
            *(Table.USERS_1HOUR, Table.USERS_6HOUR, Table.USER_1DAY, Table.TEAM_1DAY, Table.TAG_1DAY),
        ),
        Policy.DAY1: (Table.TOTALS_1DAY,),
    }
)
"""The rollups whose rows each retention ends; that of raw ends raw rows first, and parts where raw ends."""

LEGACY: Final[Mapping[Policy, tuple[Level, ...]]] = MappingProxyType(
    {
        Policy.MIN1: (Level.MIN1,),
        Policy.HOUR1: (
            *(Level.MIN15, Level.HOUR, Level.LATENCY, Level.DAY_LATENCY, Level.USERS),
            *(Level.DAY_USER, Level.DAY_TEAM, Level.DAY_TAG),
        ),
        Policy.DAY1: (Level.DAY,),
    }
)
"""The rollups of the release before; see rollups/legacy/."""

MIN_DAYS: Final[Mapping[Policy, tuple[int, str]]] = MappingProxyType(
    {
        Policy.RAW: (8, "lists, traces and numbers of sessions of 7 days are read from it"),
        Policy.MIN1: (8, "7 days of minutes are answered from it"),
        Policy.HOUR1: (91, "90 days of hours are answered from it"),
        Policy.DAY1: (366, "365 days of days are answered from it"),
    }
)
"""The longest range that is answered from a level, and one bucket; with the reason, for people."""


SETTINGS: Final[Mapping[Policy, str]] = MappingProxyType(
    {
        Policy.RAW: "retention_raw_days",
        Policy.MIN1: "retention_1min_days",
        Policy.HOUR1: "retention_1hour_days",
        Policy.DAY1: "retention_1day_days",
        Policy.COMPRESSION: "compress_after_days",
        Policy.CHUNK: "chunk_hours",
    }
)
"""The field of the settings that has the value of each policy."""


def desired_values(settings: Settings) -> Values:
    """The value of every policy, as the settings have it."""
    return {policy: getattr(settings, name) for policy, name in SETTINGS.items()}


def format_value(policy: Policy, value: int | None) -> str:
    """The value for people: `92 d`, `keep`, `never`, `24 h`."""
    if value is None:
        return "never" if policy is Policy.COMPRESSION else "keep"
    return f"{value} h" if policy is Policy.CHUNK else f"{value} d"


def violations(values: Values) -> str | None:
    """The rules that the values violate, with the numbers; None when they keep all of them."""
    return "; ".join(_violations(values)) or None


def _violations(values: Values) -> Iterator[str]:
    for policy, (min_days, reason) in MIN_DAYS.items():
        days = values[policy]
        if days is not None and days < min_days:
            yield f"{policy} is {days} d, and must be at least {min_days} d: {reason}"
    for fine, coarse in ((Policy.MIN1, Policy.HOUR1), (Policy.HOUR1, Policy.DAY1)):
        if _longer(values[fine], values[coarse]):
            yield (
                f"{fine} ({format_value(fine, values[fine])}) must not be longer than "
                f"{coarse} ({format_value(coarse, values[coarse])})"
            )
    raw, hours, compression = values[Policy.RAW], values[Policy.CHUNK], values[Policy.COMPRESSION]
    if hours is None or (24 % hours and hours % 24):
        yield f"{Policy.CHUNK} is {hours} h, and must divide 24 h or be a multiple of it"
        return
    if raw is not None and raw * 24 < 2 * hours:
        yield f"{Policy.RAW} is {raw} d, and must be at least two chunks of {hours} h: whole chunks are dropped"
    if compression is None:
        return
    if compression * 24 < hours:
        yield f"{Policy.COMPRESSION} after {compression} d must not come before a chunk of {hours} h has ended"
    if raw is not None and compression >= raw:
        yield f"{Policy.COMPRESSION} after {compression} d must come before raw is dropped after {raw} d"


def _longer(one: int | None, other: int | None) -> bool:
    return other is not None and (one is None or one > other)
