"""A writer as a process of its own: rows at a steady rate, in statements of one row or of many.

Its argument is a `Writing` as JSON; each second it prints a `Written` as JSON. SIGTERM ends it.
"""

import asyncio
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import Any

import asyncpg
from pydantic import TypeAdapter

from analytics_service.database.connect import SETTINGS
from bench.database.rows import insert
from bench.live.cpu import WRITER

_CONNECTIONS = 4
_MIN_AGE_SECONDS = 1.0
_STATEMENT = insert("SELECT * FROM unnest($2::bigint[], $3::timestamptz[]) AS given (n, ts)")


@dataclass(frozen=True, kw_only=True)
class Writing:
    url: str
    organisations: list[str]
    """A statement is of one of them, in turn."""
    rows_a_second: float
    rows_a_statement: int
    first: int
    """Number of the first row: no other writer may use those from there on."""
    mean_age_seconds: float = 20.0
    max_age_seconds: float = 300.0
    """Rows carry the time of their start, which is so long ago when they arrive."""


@dataclass(frozen=True, kw_only=True)
class Written:
    at: float
    """Seconds since 1970."""
    statements: int
    """Since the last of these; so are the others."""
    rows: int
    minutes: int
    """The sum over statements of the minutes that each touched."""
    behind_seconds: float
    """Of its schedule."""


@dataclass
class _Tally:
    statements: int = 0
    rows: int = 0
    minutes: int = 0
    behind: float = 0.0


def ages(writing: Writing, chance: random.Random) -> Iterator[float]:
    """Seconds: most rows are a few seconds old, some minutes."""
    while True:
        age = _MIN_AGE_SECONDS + chance.expovariate(1 / writing.mean_age_seconds)
        yield min(age, writing.max_age_seconds)


async def _write(writing: Writing, stop: asyncio.Event) -> None:
    tally = _Tally()
    step = writing.rows_a_statement / writing.rows_a_second
    numbers, statements = count(writing.first), iter(zip(count(), cycle(writing.organisations), strict=False))
    old, started = ages(writing, random.Random(writing.first)), time.monotonic()

    async def client(connection: Any) -> None:
        for number, organisation in statements:  # shared: whoever is free takes the next one
            due = started + number * step
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if stop.is_set():
                return
            now = datetime.now(UTC)
            times = [now - timedelta(seconds=next(old)) for _ in range(writing.rows_a_statement)]
            rows = [next(numbers) for _ in times]
            await connection.execute(_STATEMENT, organisation, rows, times)
            tally.statements += 1
            tally.rows += len(rows)
            tally.minutes += len({each.replace(second=0, microsecond=0) for each in times})
            tally.behind = time.monotonic() - due

    settings = SETTINGS | {"application_name": WRITER}
    connections = [await asyncpg.connect(writing.url, server_settings=settings) for _ in range(_CONNECTIONS)]
    reporting = asyncio.create_task(_report(tally))
    try:
        await asyncio.gather(*map(client, connections))
    finally:
        reporting.cancel()
        _print(tally)
        await asyncio.gather(*(each.close() for each in connections))


async def _report(tally: _Tally) -> None:
    while True:
        await asyncio.sleep(1)
        _print(tally)


def _print(tally: _Tally) -> None:
    written = Written(
        at=time.time(),
        statements=tally.statements,
        rows=tally.rows,
        minutes=tally.minutes,
        behind_seconds=tally.behind,
    )
    tally.statements = tally.rows = tally.minutes = 0
    print(TypeAdapter(Written).dump_json(written).decode(), flush=True)


async def _main(writing: Writing) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await _write(writing, stop)


if __name__ == "__main__":
    asyncio.run(_main(TypeAdapter(Writing).validate_json(sys.argv[1])))
