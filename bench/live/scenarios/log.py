"""Entries of the log, by level, while rows arrive alone."""

from bench.live import figures
from bench.live.run import Run
from bench.live.samples import log_growth, max_lag
from bench.live.writing import writing

_FIRST = 6 * 10**11


async def measured(run: Run, *, rows_a_second: float, seconds: float) -> figures.Log:
    await run.make_partitions()
    entries = await run.store.entries_of_one_row()
    load = run.writing(["log"], rows_a_second=rows_a_second, rows_a_statement=1, first=_FIRST)
    with run.live.worker() as worker:
        async with run.sampled(worker, load.organisations) as samples, writing(load) as written:
            await run.wait("log: rows arrive", seconds)
    return figures.Log(
        entries_of_one_row=entries,
        rows_a_second=rows_a_second,
        seconds=seconds,
        growth=log_growth(samples, written),
        max_lag_seconds=max_lag(samples),
    )
