"""How near the sketches come, and that clean, dirty and merged ones say the same."""

import hashlib
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups import sketches
from analytics_service.rollups.levels import LATENCIES, Level
from analytics_service.rollups.query import requests
from analytics_service.rollups.refresh import dirty_units, refresh, refresh_unit
from tests.support.service import T0, a_row, insert

END = T0 + timedelta(days=2, minutes=290)


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(edition_url)
    yield opened
    await opened.close()


def registers(users: Iterable[str]) -> dict[int, int]:
    """The sketch of some users, made a second time: bit by bit."""
    ranks: dict[int, int] = {}
    for user in users:
        bits = "".join(f"{byte:08b}" for byte in hashlib.sha256(user.encode()).digest())
        rank = (bits[16:80] + "1").index("1") + 1
        ranks[int(bits[:12], 2)] = max(ranks.get(int(bits[:12], 2), 0), rank)
    return ranks


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100, 1000, 3000, 5000, 10_000, 20_000, 50_000, 300_000])
def test_users_are_counted_within_five_per_cent(count: int) -> None:
    ranks = registers(f"user {number}" for number in range(count))
    assert sketches.users(Counter(ranks.values())) == pytest.approx(count, rel=0.05)


@pytest.mark.postgres
async def test_registers_are_those_of_the_bits(edition_url: str, connection: Any) -> None:
    users = ["", "ann", "größer", *(f"user {number}" for number in range(500))]
    await insert(edition_url, [a_row(number, user_id=user) for number, user in enumerate([*users, None])])
    await refresh(connection)
    found = await connection.fetch("SELECT reg, max(rank) FROM traces_1hour_users GROUP BY reg")
    assert {row[0]: row[1] for row in found} == registers(users)


@pytest.mark.postgres
async def test_a_bin_is_near_each_of_its_values(connection: Any) -> None:
    generator = random.Random(3)
    values = [0, 1, 2, 3, 2**31, 2**53 + 1, 2**63 - 1, *(int(math.exp(generator.uniform(0, 43))) for _ in range(2000))]
    stood_for = await connection.fetch(
        f"SELECT v, {sketches.value_of(sketches.bin_of('v'))} FROM unnest($1::bigint[]) AS each (v)", values
    )
    for value, near in stood_for:
        assert abs(near - value) <= value * Decimal(sketches.LATENCY_ERROR) + Decimal("0.5"), value


@pytest.mark.postgres
@pytest.mark.parametrize("level", LATENCIES)
async def test_clean_and_dirty_sketches_are_the_same(edition_url: str, connection: Any, level: Level) -> None:
    generator = random.Random(5)
    rows = [
        a_row(
            number,
            ts=T0 + timedelta(seconds=generator.randrange(200_000)),
            user_id=generator.choice([None, f"u{generator.randrange(90)}"]),
            duration_us=generator.choice([None, 0, generator.randrange(10**7)]),
            ttft_us=generator.choice([None, generator.randrange(10**5)]),
            is_request=generator.random() < 0.9,
            model=generator.choice("ab"),
        )
        for number in range(900)
    ]
    await insert(edition_url, rows[:600])
    dirty = await sketched(connection, level)
    for unit in (await dirty_units(connection))[::2]:
        await refresh_unit(connection, unit)
    assert await sketched(connection, level) == dirty
    await insert(edition_url, rows[600:])
    later = await sketched(connection, level)
    await refresh(connection)
    assert await sketched(connection, level) == later
    kept = [row for row in rows if row["is_request"] and row["user_id"] is not None and row["ts"] >= T0]
    assert later[1] == registers(row["user_id"] for row in kept if row["ts"] < END)


async def sketched(connection: Any, level: Level) -> tuple[dict[Any, int], dict[int, int]]:
    """What both sketches hold of a range whose end lies inside an hour."""
    args = ("acme", None, T0, END)
    both = requests(Level.HOUR, level, Level.USERS)
    bins = await connection.fetch(
        f"{both} SELECT measure, model, bin, sum(n)::int FROM latency GROUP BY 1, 2, 3", *args
    )
    users = await connection.fetch(f"{both} SELECT reg, max(rank) FROM users GROUP BY 1", *args)
    return {tuple(row)[:3]: row[3] for row in bins}, {row[0]: row[1] for row in users}


@pytest.mark.postgres
async def test_days_of_users_teams_and_tags_are_exact(edition_url: str, connection: Any) -> None:
    await insert(
        edition_url,
        [
            a_row(1, user_id="ann", team_id="red", tags=["a", "b", "a"], total_tokens=1),
            a_row(2, user_id="ann", team_id=None, tags=["b"], total_tokens=2),
            a_row(3, user_id=None, team_id="", tags=None, total_tokens=4),
            a_row(4, user_id="bob", team_id="red", tags=[], total_tokens=8, is_request=False),
        ],
    )
    await refresh(connection)
    for column, expected in {
        "user": {"ann": 3, None: 4},
        "team": {"red": 1, None: 2, "": 4},
        "tag": {"a": 1, "b": 3, None: 4},
    }.items():
        name = column if column == "tag" else f"{column}_id"
        found = await connection.fetch(f"SELECT {name}, total_tokens_sum FROM traces_1day_{column}")
        assert {row[0]: row[1] for row in found} == expected, column
