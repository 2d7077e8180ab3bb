"""Scores, over HTTP as clients send them and straight into the table, and whether their days are their sums."""

import random
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import asyncpg

from tests.support.keys import bearing
from tests.support.reference import Row
from tests.support.service import Client, Response

PATH = "/api/v1/scores"
KEYS = ("project_id", "environment", "provider", "model", "name", "source", "data_type", "category")


async def scored(client: Client, *, token: str | None = None, **score: Any) -> Response:
    return await client.request("POST", PATH, json=score, headers=bearing(token or client.token))


async def assert_days_are_sums(connection: Any) -> None:
    """What `score_1day` has equals the sums over the scores, computed plainly."""
    sums: dict[tuple[Any, ...], list[Decimal | int]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for row in await connection.fetch("SELECT *, ts AT TIME ZONE 'UTC' AS utc FROM score"):
        total, value = sums[(row["org_id"], row["utc"].date(), *(row[key] for key in KEYS))], row["value"] or 0
        for index, added in enumerate((1, value, value * value)):
            total[index] += added
    days = await connection.fetch("SELECT *, bucket AT TIME ZONE 'UTC' AS utc FROM score_1day")
    assert {
        (day["org_id"], day["utc"].date(), *(day[key] for key in KEYS)): [
            *(day["score_count"], day["value_sum"], day["value_squares"])
        ]
        for day in days
    } == sums


def random_scores(seed: int, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of single spans, with all that a score takes over from its span; a name may have values of several types."""
    chance = random.Random(seed)
    scores: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(len(rows)):
        row, name = chance.choice(rows), chance.choice(["feedback", "resolved", "tone"])
        source, kind = chance.choice(["user", "judge"]), chance.choice(["numeric", "boolean", "categorical"])
        value = {
            "numeric": Decimal(chance.randrange(-(10**6), 10**6)).scaleb(-3),
            "boolean": Decimal(chance.randrange(2)),
        }
        scores[(row["org_id"], row["span_id"], name, source)] = {
            **{key: row[key] for key in ("org_id", "trace_id", "span_id", "ts", "user_id", *KEYS[:4])},
            "name": name,
            "source": source,
            "data_type": kind,
            "value": value.get(kind),
            "category": chance.choice("xyz") if kind == "categorical" else "",
        }
    return list(scores.values())


async def insert_scores(database_url: str, scores: Sequence[Row]) -> None:
    """Straight into the table, as any writer may."""
    columns = list(scores[0])
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    connection = await asyncpg.connect(database_url)
    try:
        await connection.executemany(
            f"INSERT INTO score ({', '.join(columns)}, scored_at) VALUES ({places}, now())",
            [tuple(score.values()) for score in scores],
        )
    finally:
        await connection.close()
