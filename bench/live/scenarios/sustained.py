"""Steady writing for many organisations: whether the worker keeps up, at what cost, and what grows."""

from dataclasses import dataclass

from bench.live import figures
from bench.live.cpu import refreshing
from bench.live.run import Run
from bench.live.samples import log_growth, max_lag, spent
from bench.live.writer import Writing
from bench.live.writing import writing
from bench.service.servers import Server

_FIRST = 8 * 10**11
_FIRST_ALONE = 9 * 10**11
_REST_SECONDS = 120.0
"""After the last row: what it takes to refresh the rows of the last minutes is a cost of theirs."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    organisations: int
    rows_a_second: float
    rows_a_statement: int
    minutes: float
    alone_a_second: float
    alone_minutes: float


async def measured(run: Run, sizes: Sizes) -> figures.Sustained:
    names = [f"sustained-{number}" for number in range(sizes.organisations)]
    many = run.writing(names, rows_a_second=sizes.rows_a_second, rows_a_statement=sizes.rows_a_statement, first=_FIRST)
    single = run.writing(names, rows_a_second=sizes.alone_a_second, rows_a_statement=1, first=_FIRST_ALONE)
    await run.make_partitions()
    before = await run.store.sizes()
    with run.live.worker() as worker:
        together = await _phase(run, worker, many, sizes.minutes)
        after = await run.store.sizes()
        alone = await _phase(run, worker, single, sizes.alone_minutes)
    return figures.Sustained(
        organisations=sizes.organisations, together=together, alone=alone, before=before, after=after
    )


async def _phase(run: Run, worker: Server, load: Writing, minutes: float) -> figures.Phase:
    async with run.sampled(worker, load.organisations) as samples:
        async with writing(load) as written:
            await run.wait(f"sustained: {load.rows_a_second:g} rows/s, {load.rows_a_statement} each", minutes * 60)
            reports = list(written)
        during = list(samples)
        await run.rested(load.organisations, _REST_SECONDS)
    rows, cpu, seconds = sum(each.rows for each in written), spent(samples), reports[-1].at - reports[0].at
    return figures.Phase(
        seconds=seconds,
        rows=rows,
        statements=sum(each.statements for each in written),
        rate=sum(each.rows for each in reports[1:]) / seconds,
        max_lag_seconds=max_lag(during),
        cpu=cpu,
        refresh_microseconds=refreshing(cpu) / rows * 1e6,
        log=log_growth(during, written),
    )
