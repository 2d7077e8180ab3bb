from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level, choose

START, END = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("width", "zone", "level"),
    [
        pytest.param(DAY, "UTC", Level.DAY, id="days of UTC"),
        pytest.param(7 * DAY, "UTC", Level.DAY, id="weeks of UTC"),
        pytest.param(DAY, "Europe/Berlin", Level.HOUR, id="local days, over the change to summer time"),
        pytest.param(DAY, "Asia/Kolkata", Level.MIN15, id="half an hour off"),
        pytest.param(HOUR, "Asia/Kathmandu", Level.MIN15, id="three quarters off"),
        pytest.param(HOUR, "UTC", Level.HOUR, id="hours"),
        pytest.param(6 * HOUR, "America/New_York", Level.HOUR, id="six local hours"),
        pytest.param(30 * MINUTE, "UTC", Level.MIN15, id="half hours"),
        pytest.param(10 * MINUTE, "UTC", Level.MIN1, id="ten minutes"),
        pytest.param(timedelta(seconds=30), "UTC", Level.RAW, id="less than a minute"),
        pytest.param(36 * HOUR, "UTC", Level.RAW, id="not counted from midnight"),
    ],
)
def test_the_coarsest_level_that_keeps_the_boundaries_is_chosen(width: timedelta, zone: str, level: Level) -> None:
    assert choose(start=START, end=END, zone=ZoneInfo(zone), width=width) is level


def test_a_zone_of_a_few_seconds_is_answered_from_raw() -> None:
    odd = timezone(timedelta(minutes=53, seconds=28))
    assert choose(start=START, end=END, zone=odd, width=DAY) is Level.RAW


def test_a_total_is_answered_from_the_coarsest_level_that_is_not_longer_than_the_range() -> None:
    assert choose(start=START, end=END) is Level.DAY
    assert choose(start=START, end=START + 5 * HOUR) is Level.HOUR
    assert choose(start=START, end=START + timedelta(seconds=1)) is Level.RAW


async def test_the_store_has_a_horizon_and_a_table_for_each_rollup(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        names = {row["name"] for row in await connection.fetch("SELECT name FROM rollup_horizon")}
        assert names >= set(Table)
        for name in (*(table.sql for table in Table), *(level.value for level in Level if level is not Level.RAW)):
            await connection.prepare(f"SELECT * FROM {name}")
    finally:
        await connection.close()
