"""How near the sketches come, and that clean, dirty and merged ones say the same."""

import hashlib
import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups import sketches
from analytics_service.rollups.hierarchy.latency import RANKS, TTFT_CODES
from analytics_service.rollups.hierarchy.refresh import Refresher
from analytics_service.rollups.hierarchy.tables import Stage, Table
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import requests
from tests.support.rollups import refresh
from tests.support.service import T0, a_row, insert

DAY = timedelta(days=1)
END = T0 + timedelta(days=2, minutes=290, seconds=7)


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
    codes = "SELECT code FROM rollup_users_1hour, unnest(codes) AS code"
    found = await connection.fetch(f"SELECT code / {RANKS}, max(code) % {RANKS} FROM ({codes}) AS c GROUP BY 1")
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
@pytest.mark.parametrize("boundaries", [False, True])
@pytest.mark.parametrize("table", [table for table in Table if table.value.startswith("latency")])
async def test_sketches_are_those_of_raw_whatever_is_refreshed(
    edition_url: str, connection: Any, table: Table, *, boundaries: bool
) -> None:
    """Bin by bin and register by register; also where the answer's buckets begin inside of theirs."""
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
    starts = [T0 + n * timedelta(hours=7) for n in range(9)] if boundaries else [T0]
    await insert(edition_url, rows[:600])
    assert await sketched(connection, table, starts) == of_rows(rows[:600], starts)
    refresher = Refresher(connection, "acme")
    for stages in ((None, Stage.QUARTER, Stage.PART), (Stage.HOUR, Stage.USERS_1HOUR), (Stage.SIX_HOURS,)):
        for stage in stages:
            await refresher.step(stage)
        assert await sketched(connection, table, starts) == of_rows(rows[:600], starts)
    await insert(edition_url, rows[600:])
    assert await sketched(connection, table, starts) == of_rows(rows, starts)
    await refresh(connection)
    assert await sketched(connection, table, starts) == of_rows(rows, starts)


Sketches = tuple[dict[tuple[int, str, int], int], dict[tuple[int, int], int]]
"""Requests by part of the range, model and code; and ranks by part and register."""


async def sketched(connection: Any, table: Table, starts: list[datetime]) -> Sketches:
    """What both hold of a range whose end lies inside a minute, in parts that begin at `starts`."""
    both = requests(Level.HOUR, table, Table.USERS_6HOUR, boundaries="$5")
    number, args = "width_bucket(bucket, $5::timestamptz[])", ("acme", None, T0, END, starts)
    bins = await connection.fetch(
        f"""{both} SELECT {number}, model, code, sum(n)::int FROM latency, unnest(codes, counts) AS e (code, n)
        WHERE code IS NOT NULL GROUP BY 1, 2, 3""",
        *args,
    )
    users = await connection.fetch(
        f"{both} SELECT {number}, code / {RANKS}, max(code) % {RANKS} FROM users, unnest(codes) AS code GROUP BY 1, 2",
        *args,
    )
    return {tuple(row)[:3]: row[3] for row in bins}, {tuple(row)[:2]: row[2] for row in users}


def of_rows(rows: Sequence[dict[str, Any]], starts: list[datetime]) -> Sketches:
    bins: Counter[tuple[int, str, int]] = Counter()
    users: dict[int, set[str]] = {}
    for row in rows:
        if row["is_request"] and T0 <= row["ts"] < END:
            number = bisect_right(starts, row["ts"])
            for value, offset in ((row["duration_us"], 0), (row["ttft_us"], TTFT_CODES)):
                if value is not None:
                    code = math.ceil(math.log(value) / math.log(sketches.GAMMA)) if value else sketches.ZERO_BIN
                    bins[number, row["model"], offset + code] += 1
            if row["user_id"] is not None:
                users.setdefault(number, set()).add(row["user_id"])
    ranks = {number: registers(members) for number, members in users.items()}
    return dict(bins), {(number, register): rank for number, own in ranks.items() for register, rank in own.items()}


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
    for level, key, expected in (
        (Level.DAY_USER, "user_id", {"ann": 3, None: 4}),
        (Level.DAY_TEAM, "team_id", {"red": 1, None: 2, "": 4}),
        (Level.DAY_TAG, "tag", {"a": 1, "b": 3, None: 4}),
    ):
        for span in ((T0 - DAY, T0 + DAY), (T0, END)):
            sql = f"{requests(level)} SELECT {key}, sum(total_tokens_sum) FROM requests GROUP BY 1"
            before = await connection.fetch(sql, "acme", None, *span)
            await refresh(connection)
            after = await connection.fetch(sql, "acme", None, *span)
            assert dict(before) == dict(after) == expected, level
