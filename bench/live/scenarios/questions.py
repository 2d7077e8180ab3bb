"""Questions while rows arrive alone, beside the same of closed days without writers.

Each number of rows today is an organisation of its own, and all are asked in turn: what disturbs the machine meets all.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.live import figures
from bench.live.questions import QUESTIONS, Question, midnight
from bench.live.run import Run
from bench.live.samples import log_growth, max_lag
from bench.live.store import Rows
from bench.live.writing import writing

_PAUSE_SECONDS = 0.02
_MIN_ROUNDS = 3
_FIRST = 10**9
"""Number of the first row that a writer adds; each organisation has numbers of its own."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    history_rows: int
    history_days: int
    today: list[int]
    """Rows since midnight, an organisation each."""
    rows_a_second: float
    """Alone, of each organisation."""
    seconds: float
    """A third of them passes before anything is asked."""
    rest_rounds: int


@dataclass
class _Asking:
    run: Run
    sizes: Sizes
    numbers: Iterator[int]
    live: dict[tuple[int, str], list[float]]
    rest: dict[tuple[int, str], list[float]]
    failures: dict[tuple[int, str], int]

    async def ask(self, today: int, question: Question, *, live: bool) -> None:
        now, number = datetime.now(UTC), next(self.numbers)
        if question.of_trace:
            first, count = (self.sizes.history_rows, today) if live else (0, self.sizes.history_rows)
            path = question.trace(f"t{first + number * 7919 % count}")
        else:
            path = question.live(now) if live else question.at_rest(now, number)
        answered = await self.run.client.ask(organisation(today), path)
        (self.live if live else self.rest)[today, question.name].append(answered.milliseconds)
        self.failures[today, question.name] += answered.status != 200
        await asyncio.sleep(_PAUSE_SECONDS)

    async def round(self, *, live: bool) -> None:
        for question in QUESTIONS:
            for today in self.sizes.today:
                await self.ask(today, question, live=live)


def organisation(today: int) -> str:
    return f"today-{today}"


async def measured(run: Run, sizes: Sizes) -> figures.Questions:
    await _load(run, sizes)
    with run.live.worker() as worker:
        await run.settled("questions: rollups")
        await run.store.vacuum()
        keys = [(today, question.name) for today in sizes.today for question in QUESTIONS]
        asking = _Asking(
            run=run,
            sizes=sizes,
            numbers=itertools.count(),
            live={key: [] for key in keys},
            rest={key: [] for key in keys},
            failures=dict.fromkeys(keys, 0),
        )
        await asking.round(live=False)  # warms up
        for times in asking.rest.values():
            times.clear()
        await _rest(asking, "questions: at rest, before")
        async with run.sampled(worker, [*map(organisation, sizes.today)]) as samples, AsyncExitStack() as stack:
            written = [
                await stack.enter_async_context(
                    writing(
                        run.writing(
                            [organisation(today)],
                            rows_a_second=sizes.rows_a_second,
                            rows_a_statement=1,
                            first=_FIRST * (number + 1),
                        )
                    )
                )
                for number, today in enumerate(sizes.today)
            ]
            await run.wait("questions: rows arrive", sizes.seconds / 3)
            await _live(asking, sizes.seconds * 2 / 3)
        await run.settled("questions: rollups, after")
        await _rest(asking, "questions: at rest, after")
    return figures.Questions(
        hours_of_today=(datetime.now(UTC) - midnight(datetime.now(UTC))) / timedelta(hours=1),
        times={
            today: {
                question.name: figures.Times(
                    live=asking.live[today, question.name],
                    rest=asking.rest[today, question.name],
                    failures=asking.failures[today, question.name],
                )
                for question in QUESTIONS
            }
            for today in sizes.today
        },
        log=log_growth(samples, list(itertools.chain.from_iterable(written))),
        max_lag_seconds=max_lag(samples),
    )


async def _load(run: Run, sizes: Sizes) -> None:
    done = run.counter("questions: rows", sum(sizes.today) + sizes.history_rows * len(sizes.today))
    now = datetime.now(UTC)
    for today in sizes.today:
        start = midnight(now) - timedelta(days=sizes.history_days)
        await run.store.fill(
            organisation(today), Rows(first=0, count=sizes.history_rows, start=start, end=midnight(now)), done
        )
        await run.store.fill(
            organisation(today), Rows(first=sizes.history_rows, count=today, start=midnight(now), end=now), done
        )


async def _rest(asking: _Asking, what: str) -> None:
    for _ in asking.run.progress.track(range(asking.sizes.rest_rounds), description=what):
        await asking.round(live=False)


async def _live(asking: _Asking, seconds: float) -> None:
    task = asking.run.progress.add_task("questions: live", total=seconds)
    started, rounds = time.monotonic(), 0
    while (spent := time.monotonic() - started) < seconds or rounds < _MIN_ROUNDS:
        await asking.round(live=True)
        rounds += 1
        asking.run.progress.update(task, completed=min(spent, seconds))
    asking.run.progress.update(task, completed=seconds)
