"""Times as clients write them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.units import times

NOW = datetime(2026, 3, 29, 10, 17, 44, 123456, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
"""Clocks went forward at 01:00 UTC on NOW's day."""


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00.25z", "2026-01-31T12:00:00.250000+00:00"),
        ("2026-01-31T12:00:00+05:45", "2026-01-31T06:15:00+00:00"),
        ("now", "2026-03-29T10:17:44.123456+00:00"),
        ("now-90s", "2026-03-29T10:16:14.123456+00:00"),
        ("now+1h", "2026-03-29T11:17:44.123456+00:00"),
        ("now/h", "2026-03-29T10:00:00+00:00"),
        ("now/d", "2026-03-28T23:00:00+00:00"),
        ("now-1d", "2026-03-28T11:17:44.123456+00:00"),
        ("now-24h", "2026-03-28T10:17:44.123456+00:00"),
        ("now-1d/d", "2026-03-27T23:00:00+00:00"),
        ("now+1d/d", "2026-03-29T22:00:00+00:00"),
        ("now/w", "2026-03-22T23:00:00+00:00"),
    ],
)
def test_a_time_is_an_instant(text: str, utc: str) -> None:
    assert times.parse(text, now=NOW, zone=BERLIN).isoformat() == utc
    assert re.search(times.SHAPE, text), "as the document says"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "now-",
        "now-1y",
        "now-7d/",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "now-999999w",
        "now -1h",
        "1700000000",
        "now-１h",  # noqa: RUF001 - a digit of another script
        "２026-01-31T12:00:00Z",  # noqa: RUF001
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time as"):
        times.parse(text, now=NOW, zone=BERLIN)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T00:00:00Z", "now-9999w"])
def test_a_time_that_no_row_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="between the years 1970 and 2200"):
        times.parse(text, now=NOW, zone=BERLIN)


@given(instant=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_now_is_the_same_for_fifteen_seconds(instant: datetime) -> None:
    floored = times.floored(instant)
    assert timedelta(0) <= instant - floored < timedelta(seconds=15)
    assert floored.second % 15 == floored.microsecond == 0


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo", "America/Havana"])
@given(instant=st.datetimes(datetime(2010, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_a_day_begins_before_its_moments_and_on_its_date(zone: str, instant: datetime) -> None:
    local = ZoneInfo(zone)
    start = times.floor(instant, "d", local)
    assert timedelta(0) <= instant - start < timedelta(hours=25)
    assert start.astimezone(local).date() == instant.astimezone(local).date()
    assert (start - timedelta(microseconds=1)).astimezone(local).date() < instant.astimezone(local).date()
