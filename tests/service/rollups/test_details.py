"""Requests by user, team and tag equal the rows of any range, whatever is refreshed; what is gone is no group."""

import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.hierarchy.refresh import Refresher
from analytics_service.rollups.hierarchy.tables import Stage, Table
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import requests
from tests.service.rollups.ledger import DAY, EPOCH
from tests.support.rollups import refresh
from tests.support.service import a_row, insert

pytestmark = pytest.mark.postgres

DAYS = timedelta(days=1)
END = DAY + 3 * DAYS
KEYS = {Level.DAY_USER: "user_id", Level.DAY_TEAM: "team_id", Level.DAY_TAG: "tag"}
Groups = dict[tuple[Any, ...], tuple[int, int | None, int]]
"""Requests, sum of tokens, and requests of which they are known, by day, model and user, team or tag."""


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


def a_request(chance: random.Random, number: int) -> dict[str, Any]:
    return a_row(
        number,
        trace_id=f"t{number}",
        ts=DAY + timedelta(seconds=chance.randrange(3 * 86_400)),
        model=chance.choice("ab"),
        user_id=chance.choice([None, "", "ann", "bob", "eve"]),
        team_id=chance.choice([None, "red"]),
        tags=chance.choice([None, [], ["x"], ["x", "y", "x"]]),
        total_tokens=chance.choice([None, 0, 0, 7]),
        is_request=chance.random() < 0.9,
    )


def expected(rows: Iterable[dict[str, Any]], level: Level, start: datetime, end: datetime) -> Groups:
    groups: defaultdict[tuple[Any, ...], list[int | None]] = defaultdict(list)
    for row in rows:
        if row["is_request"] and start <= row["ts"] < end:
            day = row["ts"] - (row["ts"] - EPOCH) % DAYS
            for key in set(row["tags"] or [None]) if level is Level.DAY_TAG else {row[KEYS[level]]}:
                groups[day, row["model"], key].append(row["total_tokens"])
    known = {key: [value for value in values if value is not None] for key, values in groups.items()}
    return {
        key: (len(values), sum(known[key]) if known[key] else None, len(known[key])) for key, values in groups.items()
    }


async def answered(connection: Any, level: Level, start: datetime, end: datetime) -> Groups:
    rows = await connection.fetch(
        f"""{requests(level)}
        SELECT bucket, model, {KEYS[level]}, sum(request_count)::int, sum(total_tokens_sum)::int,
          sum(total_tokens_count)::int
        FROM requests GROUP BY 1, 2, 3""",
        *("acme", None, start, end),
    )
    return {tuple(row)[:3]: tuple(row)[3:] for row in rows}


async def users(connection: Any, start: datetime, end: datetime) -> set[tuple[datetime, str]]:
    rows = await connection.fetch(
        f"{requests(Level.DAY, Table.USER_1DAY)} SELECT DISTINCT bucket, user_id FROM users WHERE user_id IS NOT NULL",
        *("acme", None, start, end),
    )
    return {tuple(row) for row in rows}


async def check(connection: Any, rows: list[dict[str, Any]], chance: random.Random) -> None:
    """Of all, and of ranges that cut a day, a quarter of an hour and a second."""
    ends = [DAY + timedelta(seconds=chance.randrange(-9000, 3 * 86_400 + 9000)) for _ in range(4)]
    quarter = timedelta(minutes=15)
    for start, end in ((DAY, END), sorted(ends[:2]), sorted(ends[2:]), (DAY + 3 * quarter, END - 5 * quarter)):
        for level in KEYS:
            assert await answered(connection, level, start, end) == expected(rows, level, start, end), (
                level,
                start,
                end,
            )
        groups = expected(rows, Level.DAY_USER, start, end)
        assert await users(connection, start, end) == {(day, user) for day, _, user in groups if user is not None}


async def change(connection: Any, rows: list[dict[str, Any]], chance: random.Random, edition_url: str) -> None:
    """Takes some rows away, all of one user of a day among them, and adds others."""
    gone = {row["trace_id"] for row in rows if chance.random() < 0.1}
    gone |= {row["trace_id"] for row in rows if row["user_id"] == "eve" and row["ts"] < DAY + DAYS}
    await connection.execute("DELETE FROM traces WHERE trace_id = ANY($1)", list(gone))
    more = [a_request(chance, len(rows) + 1000 * (1 + number)) for number in range(20)]
    await insert(edition_url, more)
    rows[:] = [*(row for row in rows if row["trace_id"] not in gone), *more]


@pytest.mark.parametrize("seed", range(2))
async def test_they_equal_the_rows(edition_url: str, connection: Any, seed: int) -> None:
    chance = random.Random(seed)
    rows = [a_request(chance, number) for number in range(300)]
    await insert(edition_url, rows)
    await check(connection, rows, chance)
    await refresh(connection)
    await check(connection, rows, chance)
    await change(connection, rows, chance, edition_url)
    await check(connection, rows, chance)
    refresher = Refresher(connection, "acme")
    await refresher.step(None)  # minutes alone: parts are stale
    await check(connection, rows, chance)
    await refresher.step(Stage.PART)
    await check(connection, rows, chance)


async def test_parts_are_read_where_days_are_gone_or_cut(edition_url: str, connection: Any) -> None:
    chance = random.Random(7)
    rows = [a_request(chance, number) for number in range(200)]
    await insert(edition_url, rows)
    await refresh(connection)
    for table in (Table.USER_1DAY, Table.TEAM_1DAY, Table.TAG_1DAY):
        await connection.execute(f"DELETE FROM {table.sql} WHERE bucket < $1", DAY + 2 * DAYS)
    await connection.execute("UPDATE rollup_horizon SET floor = $1 WHERE name LIKE '%1day'", DAY + 2 * DAYS)
    await check(connection, rows, chance)
    await connection.execute("UPDATE rollup_horizon SET floor = $1 WHERE name = 'part'", DAY + 2 * DAYS)
    await check(connection, rows, chance)


async def test_what_raw_no_longer_has_is_counted_by_whole_days(edition_url: str, connection: Any) -> None:
    chance = random.Random(8)
    rows = [a_request(chance, number) for number in range(200)]
    await insert(edition_url, rows)
    await refresh(connection)
    await connection.execute("UPDATE rollup_floor SET floor = $1", DAY + 2 * DAYS)
    for start, end in itertools.product((DAY, DAY + timedelta(hours=7)), (END, DAY + timedelta(days=1, hours=9))):
        kept = [row for row in rows if row["ts"] >= DAY + 2 * DAYS or start <= row["ts"].replace(hour=0, minute=0)]
        whole = [row for row in kept if row["ts"] >= DAY + 2 * DAYS or row["ts"] < end - (end - DAY) % DAYS]
        for level in KEYS:
            assert await answered(connection, level, start, end) == expected(whole, level, start, end)
