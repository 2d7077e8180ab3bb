"""Points in time as clients write them: RFC 3339, or relative as `now`, `now-24h`, `now-7d/d`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from analytics_service.units.freshness import FRESHNESS

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""No row is outside; and calendars, zones and the database all know what is inside."""

_RELATIVE = re.compile(r"now(?:(?P<sign>[+-])(?P<count>\d{1,6})(?P<unit>[smhdw]))?(?:/(?P<floor>[mhdw]))?", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
SHAPE: Final = (
    r"^(now([+-]\d{1,6}[smhdw])?(/[mhdw])?"
    r"|\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))$"
)
"""Pattern of both forms, for the OpenAPI document."""
_QUARTER: Final = timedelta(minutes=15)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Range(NamedTuple):
    """Half-open: [start, end)."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


ALL_TIME: Final = Range(EARLIEST, LATEST)


def floored(now: datetime) -> datetime:
    """`now` as relative times see it: the same for a whole step."""
    return now - (now - datetime.min.replace(tzinfo=UTC)) % FRESHNESS.relative_step


def next_step(now: datetime) -> datetime:
    """Returns when relative times move on."""
    return floored(now) + FRESHNESS.relative_step


def parse(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """Returns the instant in UTC; ValueError names the supported forms."""
    try:
        instant = _instant(text, now=now, zone=zone)
    except (ValueError, OverflowError):
        instant = None  # a day that no calendar has, or a year that none reaches
    if instant is None:
        raise ValueError("must be a time as 2026-01-31T12:00:00Z, or relative as now, now-24h or now-7d/d")
    if not EARLIEST <= instant < LATEST:
        raise ValueError(f"must lie between the years {EARLIEST.year} and {LATEST.year}")
    return instant


def _instant(text: str, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    if relative := _RELATIVE.fullmatch(text):
        return _relative(relative, now=now, zone=zone)
    if _RFC3339.fullmatch(text):
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    return None


def _relative(match: re.Match[str], *, now: datetime, zone: ZoneInfo) -> datetime:
    """Days and weeks go by the zone's calendar, so that now-1d is the same time of day across a change of clocks."""
    instant = now
    if match["unit"]:
        step = timedelta(**{_UNITS[match["unit"]]: int(match["count"]) * (-1 if match["sign"] == "-" else 1)})
        instant = (now.astimezone(zone) + step).astimezone(UTC) if match["unit"] in "dw" else now + step
    if match["floor"]:
        instant = floor(instant, match["floor"], zone)
    return instant


def floor(instant: datetime, unit: str, zone: ZoneInfo) -> datetime:
    """The start of the local minute, hour, day or (Monday's) week that holds `instant`."""
    local = instant.astimezone(zone)
    if unit in "mh":  # in minutes of the hour, which zones shift by quarters and never by seconds
        start = local - timedelta(minutes=local.minute if unit == "h" else 0, seconds=local.second)
        began = instant - (local - start) - timedelta(microseconds=local.microsecond)
        if unit == "m" or began == instant or began.astimezone(zone).utcoffset() == local.utcoffset():
            return began
        return _changed(began, instant, zone) or began
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    days = local.weekday() if unit == "w" else 0
    return (midnight - timedelta(days=days)).astimezone(UTC)


def _changed(began: datetime, instant: datetime, zone: ZoneInfo) -> datetime | None:
    """When the clock changed between the two, which then is where the hour of `instant` begins: by half an hour, say.

    In quarters of an hour, which rollups have.
    """
    offset = instant.astimezone(zone).utcoffset()
    quarters = (began + number * _QUARTER for number in range(1, 5))
    return next((one for one in quarters if one <= instant and one.astimezone(zone).utcoffset() == offset), None)
