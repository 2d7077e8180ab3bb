"""A burst of rows into yesterday: what questions elsewhere and on it cost meanwhile, and whether they are right."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.database.rows import RANGE, insert
from bench.live import figures
from bench.live.questions import COSTS, COUNTS, HOURS, PERCENTILES, USERS, midnight
from bench.live.run import Run
from bench.live.store import Rows

TOUCHED, ELSEWHERE = "burst", "elsewhere"
_FIRST = 5 * 10**11
_PAUSE_SECONDS = 0.05
_LAST_ROUNDS = 4
"""When nothing is stale any more: a question is back after three answers in a row."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    rows: int
    rows_a_statement: int
    history_rows: int
    """Of each of both organisations, over the days before today."""
    history_days: int
    calm_seconds: float
    """Before the burst, and at least after it."""
    scattered: bool
    """Each statement has rows of the whole day, instead of the next minutes as a file in order has."""


@dataclass
class _Burst:
    """Counts what is committed, and what may be: the statement under way too."""

    started: float
    committed: int = 0
    begun: int = 0


@dataclass
class _Asking:
    run: Run
    burst: _Burst
    yesterday: datetime
    rows_before: int
    elsewhere: dict[str, list[figures.Asked]] = field(default_factory=dict)
    touching: dict[str, list[figures.Asked]] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    async def round(self) -> None:
        today = self.yesterday + timedelta(days=1)
        for question in (HOURS, COSTS, PERCENTILES):
            path = question.at_rest(today, next(self.numbers))
            await self._ask(self.elsewhere, f"another organisation: {question.name}", ELSEWHERE, path)
        path = HOURS.at_rest(self.yesterday, next(self.numbers))
        await self._ask(self.elsewhere, f"the day before: {HOURS.name}", TOUCHED, path)
        for question in (HOURS, COSTS, PERCENTILES, USERS):
            path = question.at_rest(today, next(self.numbers))
            await self._ask(self.touching, question.name, TOUCHED, path)
        await self._count(COUNTS.at_rest(today, next(self.numbers)))

    async def _ask(self, times: dict[str, list[figures.Asked]], name: str, organisation: str, path: str) -> None:
        at = time.monotonic() - self.burst.started
        answered = await self.run.client.ask(organisation, path)
        times.setdefault(name, []).append(figures.Asked(at=at, milliseconds=answered.milliseconds))
        await asyncio.sleep(_PAUSE_SECONDS)

    async def _count(self, path: str) -> None:
        least = self.burst.committed
        answered = await self.run.client.ask(TOUCHED, path)
        points = answered.data["data"]
        count = sum(int(point["request_count"]) for point in points) - self.rows_before
        if least <= count <= self.burst.begun:
            self.right += 1
        else:
            self.wrong.append(f"{count} rows, of {least} to {self.burst.begun}")


async def measured(run: Run, sizes: Sizes) -> figures.Burst:
    today = midnight(datetime.now(UTC))
    yesterday = today - timedelta(days=1)
    done = run.counter("burst: rows", 2 * sizes.history_rows)
    for organisation in (TOUCHED, ELSEWHERE):
        start = today - timedelta(days=sizes.history_days)
        await run.store.fill(organisation, Rows(first=0, count=sizes.history_rows, start=start, end=today), done)
    with run.live.worker():
        await run.settled("burst: rollups")
        await run.store.vacuum()
        before = await run.watched.connection.fetchval(
            "SELECT count(*) FROM traces WHERE org_id = $1 AND ts >= $2 AND ts < $3", TOUCHED, yesterday, today
        )
        burst = _Burst(started=time.monotonic() + sizes.calm_seconds)
        asking = _Asking(run, burst, yesterday, before)
        await asking.round()  # warms up
        asking.elsewhere.clear()
        asking.touching.clear()
        burst.started = time.monotonic() + sizes.calm_seconds
        task = run.progress.add_task("burst: before", total=None)
        while time.monotonic() < burst.started:
            await asking.round()
        burst.started = time.monotonic()
        run.progress.update(task, total=1, completed=1)
        writing = asyncio.create_task(_write(run, sizes, burst, yesterday))
        while not writing.done():
            await asking.round()
        ended = await writing
        settling = asyncio.create_task(run.settled("burst: rollups, after", [TOUCHED]))
        while not settling.done() or time.monotonic() < ended + sizes.calm_seconds:
            await asking.round()
        lag = await settling
        for _ in range(_LAST_ROUNDS):
            await asking.round()
    return figures.Burst(
        rows=sizes.rows,
        seconds=ended - burst.started,
        elsewhere=asking.elsewhere,
        touching=asking.touching,
        right=asking.right,
        wrong=asking.wrong[:10],
        lag_seconds=lag,
    )


async def _write(run: Run, sizes: Sizes, burst: _Burst, yesterday: datetime) -> float:
    """When it ended."""
    done = run.counter("burst: arrives", sizes.rows)
    statement = insert(RANGE)
    for number in range(0, sizes.rows, sizes.rows_a_statement):
        rows = min(sizes.rows_a_statement, sizes.rows - number)
        every = timedelta(days=1) / (rows if sizes.scattered else sizes.rows)
        start, first = yesterday if sizes.scattered else yesterday + number * every, _FIRST + number
        burst.begun += rows
        await run.store.connection.execute(statement, TOUCHED, start, first, every, first + rows - 1)
        burst.committed += rows
        done(rows)
    return time.monotonic()
