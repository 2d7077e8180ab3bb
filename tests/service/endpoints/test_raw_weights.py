"""The same question counts as the same number of requests, whichever route and however often it is asked."""

from datetime import timedelta
from typing import Any

import pytest

from analytics_service.contract.endpoint import RAW_WEIGHT
from tests.support.keys import created
from tests.support.service import HOUR, T0, a_row, a_service, insert

SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}


@pytest.mark.parametrize(
    ("path", "by_rollups", "by_rows"),
    [
        pytest.param("metrics", {"metrics": "request_count"}, {"group_by": "session_id"}, id="metrics"),
        pytest.param("metrics/summary", {}, {"user_id": "u1"}, id="summary"),
        pytest.param("costs/attribution", {"dimension": "tag"}, {"user_id": "u1"}, id="attribution"),
        pytest.param("costs/explain", {"dimension": "tag"}, {"user_id": "u1"}, id="explain"),
        pytest.param("analytics/performance", {}, {"user_id": "u1"}, id="performance"),
        pytest.param("analytics/quality", {"granularity": "1hour"}, {"user_id": "u1"}, id="quality"),
        pytest.param("traces", {}, {"search": "text"}, id="traces"),
    ],
)
async def test_what_single_requests_answer_counts_as_several(
    database_url: str, path: str, by_rollups: dict[str, Any], by_rows: dict[str, Any]
) -> None:
    """A key of one request a minute regains nothing meanwhile; the third request is the second one's bytes again."""
    await insert(database_url, [a_row(1, ts=T0 + timedelta(minutes=1))])
    left = []
    async with a_service(database_url) as client:
        key = (await created(client, rate_limit={"per_minute": 1, "burst": 50}, role="developer"))["secret"]
        for more in ({}, by_rows, by_rows, by_rows):
            answer = await client.get(f"/api/v1/{path}", token=key, **SPAN, **by_rollups, **more)
            assert answer.status == 200, answer.body
            left.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert left == [49, *(49 - RAW_WEIGHT * times for times in (1, 2, 3))]


async def test_a_question_heavier_than_what_is_left_of_a_burst_is_refused_however_it_is_sent(database_url: str) -> None:
    async with a_service(database_url) as client:
        key = (await created(client, rate_limit={"per_minute": 1, "burst": 12}, role="developer"))["secret"]
        asked: dict[str, Any] = {**SPAN, "metrics": "request_count", "group_by": "session_id"}
        answers = [await client.get("/api/v1/metrics", token=key, **asked) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
