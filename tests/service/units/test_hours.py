"""An hour of the clock is a bucket, also where clocks change by half an hour in the middle of one."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from analytics_service.units import intervals, times
from analytics_service.units.intervals import Interval
from analytics_service.units.times import Range

LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def hour(moment: datetime, zone: ZoneInfo) -> tuple[object, ...]:
    """What every moment of a bucket shares: the date and the hour, and the distance from UTC."""
    local = moment.astimezone(zone)
    return local.date(), local.hour, local.utcoffset()


@pytest.mark.parametrize(
    ("first", "last", "starts"),
    [
        pytest.param(
            datetime(2024, 4, 6, 13, tzinfo=UTC),
            datetime(2024, 4, 6, 16, 30, tzinfo=UTC),
            ["00:00+11:00", "01:00+11:00", "01:30+10:30", "02:00+10:30"],
            id="back",
        ),
        pytest.param(
            datetime(2024, 10, 5, 13, 30, tzinfo=UTC),
            datetime(2024, 10, 5, 17, tzinfo=UTC),
            ["00:00+10:30", "01:00+10:30", "02:30+11:00", "03:00+11:00"],
            id="forward",
        ),
    ],
)
def test_a_change_by_half_an_hour_begins_a_bucket(first: datetime, last: datetime, starts: list[str]) -> None:
    found = intervals.starts(Range(first, last), Interval.HOUR, LORD_HOWE)
    assert [one.astimezone(LORD_HOWE).isoformat(timespec="minutes")[11:] for one in found] == starts
    for start, end in pairwise([*found, last]):
        moment = start
        while moment < end:
            assert hour(moment, LORD_HOWE) == hour(start, LORD_HOWE)
            assert times.floor(moment, "h", LORD_HOWE) == start
            moment += intervals.Interval.MIN5.width
