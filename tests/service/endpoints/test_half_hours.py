"""Hours of Lord Howe Island, whose clocks change by half an hour, have the requests of plain Python."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.support import reference
from tests.support.service import a_row, a_service, insert

ZONE = "Australia/Lord_Howe"
START = datetime(2024, 4, 6, 12, 30, tzinfo=UTC)
"""Two and a half hours before the change."""
END = START + timedelta(hours=5)


async def test_hours_end_where_the_clock_changes(database_url: str) -> None:
    rows = [a_row(number, ts=START + number * timedelta(minutes=4)) for number in range(75)]
    await insert(database_url, rows[:60])
    await reference.refreshed(database_url)
    await insert(database_url, rows[60:])
    expected = {key[0]: len(group) for key, group in reference.grouped(rows, "1hour", ZoneInfo(ZONE), []).items()}
    asked: dict[str, Any] = {"tz": ZONE, "interval": "1hour"}
    count = {"metric": "request_count"}
    async with a_service(database_url) as client:
        series = await client.get("/api/v1/metrics", from_=START, to=END, metrics="request_count", **asked)
        found = [
            await client.post("/api/v1/metrics/query", {"from": START, "to": END, "metrics": [count], **asked, **more})
            for more in ({}, {"filters": [{"dimension": "session_id", "operator": "eq", "value": ""}]})
        ]
    for answer in (series, *found):
        points = {datetime.fromisoformat(one["timestamp"]): one["request_count"] for one in answer.data["data"]}
        assert points == expected
    assert [answer.json["meta"]["source"] for answer in found] == ["traces_15min", "raw"]
    assert len(expected) == 6
