"""Late rows: the CPU that all levels together take of the worker and of its backends.

The time that a row waits for its refresh is shown and is no cost: a worker may let a bucket come to rest first.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.database.rows import insert
from bench.live import figures
from bench.live.cpu import CpuMeter, difference, refreshing
from bench.live.questions import COUNTS, midnight
from bench.live.run import Run
from bench.live.store import Rows

ORGANISATION = "late"
OLD_DAYS = 30
"""Of the row whose minutes are gone: they are retained for 8 days."""
_TIME_OF_DAY = timedelta(hours=7, minutes=31, seconds=1)
_FIRST = 7 * 10**11
_STATEMENT = insert("SELECT $2::bigint AS n, $3::timestamptz AS ts")
_LAST_SECONDS = 1.0
"""After the log is empty: the worker may be about to commit."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    days: int
    rows_a_day: int
    rounds: int
    hours: int
    idle_seconds: float


@dataclass
class _Measuring:
    run: Run
    meter: CpuMeter
    idle: float = 0.0
    """Seconds of CPU a second, while nothing happens."""

    async def idles(self, seconds: float) -> None:
        before, started = await self.meter.sample(), time.monotonic()
        await self.run.wait("late: idle", seconds)
        after = await self.meter.sample()
        self.idle = refreshing(difference(after, before)) / (time.monotonic() - started)

    async def refreshed(self, what: str, rows: Sequence[tuple[int, datetime]]) -> tuple[float, float]:
        """CPU seconds of what one transaction with a statement for each row made stale, and the seconds it took."""
        before, started = await self.meter.sample(), time.monotonic()
        connection = self.run.store.connection
        async with connection.transaction():
            for number, moment in rows:
                await connection.execute(_STATEMENT, ORGANISATION, number, moment)
        seconds = await self.run.settled(what, [ORGANISATION])
        await asyncio.sleep(_LAST_SECONDS)
        spent = refreshing(difference(await self.meter.sample(), before))
        return max(spent - self.idle * (time.monotonic() - started), 0.0), seconds


async def measured(run: Run, sizes: Sizes) -> figures.Late:
    end = midnight(datetime.now(UTC))
    start = end - timedelta(days=sizes.days)
    rows = sizes.days * sizes.rows_a_day
    done = run.counter("late: rows", rows)
    await run.store.fill(ORGANISATION, Rows(first=0, count=rows, start=start, end=end), done)
    with run.live.worker() as worker:
        await run.settled("late: rollups", [ORGANISATION])
        await run.legacy_settled()
        await run.store.vacuum()
        measuring = _Measuring(run, run.meter(worker))
        await measuring.idles(sizes.idle_seconds)
        one = [
            # a day each: the worker lets a day rest that it has just refreshed
            await measuring.refreshed(
                f"late: a row, {number + 1} of {sizes.rounds}",
                [(_FIRST + number, end - timedelta(days=number + 1) + _TIME_OF_DAY)],
            )
            for number in range(sizes.rounds)
        ]
        right = await _is_right(run, end - timedelta(days=min(OLD_DAYS, sizes.days - 1)))
        many = [(_FIRST + 1_000 + number, start + timedelta(hours=number, minutes=29)) for number in range(sizes.hours)]
        # last: it touches every day, also those whose pause the rows before began
        hours_cpu, hours_seconds = await measuring.refreshed(f"late: a row in each of {sizes.hours} hours", many)
    return figures.Late(
        rows_a_day=sizes.rows_a_day,
        milliseconds=[cpu * 1000 for cpu, _ in one],
        seconds=[seconds for _, seconds in one],
        hours=sizes.hours,
        hours_cpu_seconds=hours_cpu,
        hours_seconds=hours_seconds,
        idle_percent=measuring.idle * 100,
        days_old=min(OLD_DAYS, sizes.days - 1),
        right=right,
    )


async def _is_right(run: Run, day: datetime) -> bool:
    """Whether a late row of the day is in the answers for it, by the hour and in all, at once and after its refresh."""
    before = await _counts(run, day, 0)
    await run.store.connection.execute(_STATEMENT, ORGANISATION, _FIRST + 500, day + _TIME_OF_DAY)
    hour = int(_TIME_OF_DAY.total_seconds() // 3600)
    expected = [count + (number == hour) for number, count in enumerate(before)]
    at_once = await _counts(run, day, 1)
    await run.settled("late: an old row", [ORGANISATION])
    return at_once == expected and await _counts(run, day, 2) == expected and sum(before) > 0


async def _counts(run: Run, day: datetime, number: int) -> list[int]:
    answered = await run.client.ask(ORGANISATION, COUNTS.at_rest(day + timedelta(days=1), number))
    return hourly(answered.data, day)


def hourly(data: Any, day: datetime) -> list[int]:
    """Requests of each hour of the day."""
    counts = [0] * 24
    for point in data["data"]:
        hour = datetime.fromisoformat(point["timestamp"]) - day
        if hour >= timedelta(0):
            counts[hour // timedelta(hours=1)] += int(point["request_count"])
    return counts
