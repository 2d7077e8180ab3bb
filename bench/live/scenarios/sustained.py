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
    async with run.sampled(worker, load.organisations) as samples, writing(load) as written:
        await run.wait(f"sustained: {load.rows_a_second:g} rows/s, {load.rows_a_statement} each", minutes * 60)
        reports, seconds = list(written), samples[-1].at - samples[0].at
        cpu, samples_ = spent(samples), list(samples)
    rows = sum(each.rows for each in reports)
    return figures.Phase(
        seconds=seconds,
        rows=rows,
        statements=sum(each.statements for each in reports),
        rate=rows / seconds,
        max_lag_seconds=max_lag(samples_),
        cpu=cpu,
        refresh_microseconds=refreshing(cpu) / max(rows, 1) * 1e6,
        log=log_growth(samples_, reports),
    )
