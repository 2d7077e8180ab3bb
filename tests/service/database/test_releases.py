"""Upgrades of the service: today's code takes over the database of each release in docs/releases.md."""

from datetime import timedelta
from typing import Any

import pytest

from release.page import Release
from tests.support.old_store import migrated, migrated_by
from tests.support.process import Process, serving
from tests.support.releases import UPGRADABLE, packages_of
from tests.support.service import T0, a_row, a_token, insert

pytestmark = pytest.mark.postgres

ROWS = [
    a_row(number, ts=T0 + timedelta(hours=number), duration_us=1000 * number, user_id=f"u{number % 7}")
    for number in range(24 * 10)
]
RANGE = {"from": "2024-03-01T00:00:00Z", "to": "2024-04-01T00:00:00Z"}
QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/api/v1/metrics", {**RANGE, "interval": "1day", "metrics": "request_count,total_tokens,total_cost"}),
    (
        "/api/v1/metrics",
        {**RANGE, "interval": "1day", "metrics": "duration,unique_users", "include_percentiles": "true"},
    ),
    ("/api/v1/costs/summary", RANGE),
    ("/api/v1/traces", {**RANGE, "limit": "50"}),
]


ADDED = {"unpriced_requests"}
"""Members of answers that releases before do not have."""


def without_added(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_added(each) for name, each in value.items() if name not in ADDED}
    return [without_added(each) for each in value] if isinstance(value, list) else value


async def answers(process: Process) -> list[Any]:
    """What the pods of a release answer."""
    found = []
    for path, parameters in QUESTIONS:
        headers = {"Authorization": f"Bearer {a_token()}", "Cache-Control": "no-cache"}
        async with process.session.get(process.url + path, params=parameters, headers=headers) as response:
            body = await response.json()
            assert response.status == 200, body
            if isinstance(body["data"], dict):
                body["data"].get("metadata", {}).pop("data_source", None)  # a release may read the same from elsewhere
            found.append(without_added(body["data"]))
    return found


@pytest.mark.parametrize("release", UPGRADABLE, ids=lambda release: release.version)
async def test_a_database_of_a_release_is_migrated_and_gives_the_same_answers(
    empty_edition_url: str, release: Release
) -> None:
    migrated_by(release, empty_edition_url)
    await insert(empty_edition_url, ROWS)
    async with serving(empty_edition_url, **packages_of(release)) as process:
        await process.until("/health/ready", 200)
        before = await answers(process)
    await migrated(empty_edition_url)
    async with serving(empty_edition_url) as process:
        await process.until("/health/ready", 200)
        assert await answers(process) == before


async def test_pods_of_the_last_release_answer_and_write_while_those_of_today_start(empty_edition_url: str) -> None:
    last = UPGRADABLE[0]
    migrated_by(last, empty_edition_url)
    await insert(empty_edition_url, ROWS[:100])
    async with serving(empty_edition_url, **packages_of(last)) as old:
        await old.until("/health/ready", 200)
        await migrated(empty_edition_url)
        async with serving(empty_edition_url) as new:
            await new.until("/health/ready", 200)
            await insert(empty_edition_url, ROWS[100:])
            assert await answers(old) == await answers(new)
        assert await old.status("/health/ready") == 200
