"""Rows for the benchmarks: the same for the same number, with short texts; and a file of them to import."""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analytics_service.rollups.hierarchy.refresh import Refresher

ORGANISATION = "bench"
DAYS = 90
END = datetime(2026, 1, 1, tzinfo=UTC)
START = END - timedelta(days=DAYS)
_MAX_DAYS_PER_CALL = 30
"""That one statement fills: partitions are made for each day."""

_ROWS = """
INSERT INTO traces (
    org_id, project_id, trace_id, span_id, ts,
    provider, model, operation_type, environment, status_code, input_text,
    prompt_tokens, completion_tokens, total_tokens, prompt_cost_usd, completion_cost_usd, total_cost_usd,
    duration_us, ttft_us, user_id, team_id
)
SELECT $1, 'p' || h % 2, 't' || n, 's', ts,
    'provider' || h % 3, 'model' || h % 10, 'chat', CASE WHEN h % 5 = 0 THEN 'staging' ELSE 'production' END,
    CASE WHEN h % 50 = 0 THEN 'ERROR' ELSE 'OK' END, 'a short text',
    h % 4000, h % 900, h % 4000 + h % 900, h % 4000 * 1e-6, h % 900 * 4e-6, h % 4000 * 1e-6 + h % 900 * 4e-6,
    h % 9000000, h % 900000, 'u' || u % 5000, 't' || u % 20
"""
_HASHED = "SELECT n, ts, abs(hashint8(n)::bigint) AS h, hashint8extended(n, 1) & 2147483647 AS u"
"""The second hash is of users: 5,000 of them, in 20 teams, who use every one of the 33 combinations of dimensions."""


def insert(source: str) -> str:
    """The statement that inserts rows of the organisation `$1`; `source` selects their numbers and times: n and ts."""
    return f"{_ROWS} FROM ({_HASHED} FROM ({source}) AS numbered) AS hashed"


RANGE = """
SELECT n, $2::timestamptz + (n - $3::bigint) * $4::interval AS ts FROM generate_series($3::bigint, $5::bigint) AS n
"""
"""From the number `$3` at the time `$2` to the number `$5`, one each `$4`."""
_FILL = insert(RANGE)
_MARK = """
INSERT INTO rollup_log (org_id, minute, requests)
SELECT $1, minute, true
FROM generate_series($2::timestamptz, $3::timestamptz - interval '1 minute', '1 minute') AS minute
"""
HEADER = ("organisation", "project", "ts", "provider", "model", "operation_type", "environment", "status_code")
_MORE = ("prompt_tokens", "completion_tokens", "duration_ms", "user_id", "input_text")


async def fill(connection: Any, count: int, *, done: Any) -> None:
    """`count` rows over DAYS, and their rollups. The log is written once at the end, as if in one statement."""
    every = timedelta(days=DAYS) / count
    for day in range(0, DAYS, _MAX_DAYS_PER_CALL):
        await connection.fetchval(
            "SELECT ensure_partitions($1, $2)",
            START + timedelta(days=day),
            START + timedelta(days=day + _MAX_DAYS_PER_CALL),
        )
    await connection.execute("SET session_replication_role = replica")  # no triggers: a hypertable's stay enabled
    step = max(count // DAYS, 1)
    for first in range(0, count, step):
        moment = START + first * every
        await connection.execute(_FILL, ORGANISATION, moment, first, every, min(first + step, count) - 1)
        done(first / count / 2)
    await connection.execute("RESET session_replication_role")
    await connection.execute(_MARK, ORGANISATION, START, END)
    refreshed, minutes = 0, (END - START) / timedelta(minutes=1)
    async for each in Refresher(connection, ORGANISATION).steps():
        refreshed += each.entries
        done(0.5 + refreshed / minutes / 2)
    await connection.execute("VACUUM ANALYZE")


def write(path: Path, count: int) -> None:
    """A CSV of `count` requests of four hours, about 150 bytes each."""
    chance = random.Random(4)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*HEADER, *_MORE))
        for number in range(count):
            writer.writerow(
                (
                    *(
                        ORGANISATION,
                        f"p{number % 2}",
                        (START + number * timedelta(hours=4) / count).isoformat(),
                        "openai",
                    ),
                    *("gpt-4o", "chat", "production", "OK"),
                    *(
                        chance.randrange(4000),
                        chance.randrange(900),
                        chance.randrange(9000),
                        f"u{number % 5000}",
                        "short",
                    ),
                )
            )
