"""Buckets follow one another without a gap, and cover the range."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.units import intervals
from analytics_service.units.intervals import Interval
from analytics_service.units.times import Range

ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana", "America/Sao_Paulo"]


@pytest.mark.parametrize("interval", Interval)
@given(
    start=st.datetimes(datetime(2012, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=4)),
    zone=st.sampled_from(ZONES),
)
def test_buckets_cover_the_range_in_order(interval: Interval, start: datetime, length: timedelta, zone: str) -> None:
    span, local = Range(start, start + length), ZoneInfo(zone)
    starts = intervals.starts(span, interval, local)
    assert starts[0] <= start
    assert starts[-1] < span.end <= intervals.following(starts[-1], interval, local)
    assert all(intervals.following(one, interval, local) == other for one, other in pairwise(starts))
    shares = [intervals.overlap(starts, number, span).length for number in range(len(starts))]
    assert sum(shares, timedelta(0)) == length
    assert all(share > timedelta(0) for share in shares)


@pytest.mark.parametrize(
    ("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-06-01", 24)], ids=["spring", "autumn", "summer"]
)
def test_a_day_is_as_long_as_the_clocks_say(day: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=zone).astimezone(UTC)
    assert intervals.following(start, Interval.DAY, zone) - start == timedelta(hours=hours)
