"""The rate of `import` against COPY of the same rows: each kind of file in one interleaved run."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from analytics_service.ingest.batches import Options, batches
from analytics_service.ingest.fields import COLUMNS, WEIGHT
from analytics_service.ingest.files.input import open_input
from analytics_service.ingest.load import load
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.processes import suitable
from analytics_service.ingest.reading import sources
from analytics_service.ingest.tally import Tally
from bench.database.files import KINDS
from bench.database.rows import START
from tests.support.rollups import refresh


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Rows a second, and CPU microseconds a row."""

    kind: str
    ours: float
    copy: float
    ours_process: float
    ours_server: float
    copy_process: float
    copy_server: float
    refresh_seconds: float


@dataclass(frozen=True, kw_only=True)
class _Run:
    seconds: float
    process: float
    server: float


async def imported(connection: Any, path: Path, *, rows: int, rounds: int, processes: int | None) -> Imported:
    """The same rows by `import`, and by COPY of what it makes of them: interleaved, into the same empty table.

    The name of the file is its kind.
    """
    kind = KINDS[path.name]
    kind.write(path, rows)
    files = sources([str(path)], "bench")
    options = Options(
        columns=replace(columns([], kind.sets, []), start=kind.start), processes=suitable(files, processes)
    )
    names, parsed = _rows(path, options)
    await connection.fetchval("SELECT ensure_partitions($1, $2)", START, START + timedelta(days=1))
    backend = Path(f"/proc/{await connection.fetchval('SELECT pg_backend_pid()')}/stat")

    async def copy() -> int:
        for batch in parsed:
            await connection.copy_records_to_table("traces", records=batch, columns=names)
        return rows

    async def ours() -> int:
        tally = Tally()
        await load(connection, files, options, tally, lambda _file, _tally: None)
        return tally.inserted

    runs: dict[Any, list[_Run]] = {copy: [], ours: []}
    refreshed: list[float] = []
    for _ in range(rounds):
        for measure, measured in runs.items():
            await connection.execute("TRUNCATE traces, rollup_log")
            measured.append(await _run(measure, backend, rows))
        started = time.perf_counter()
        await refresh(connection)
        refreshed.append(time.perf_counter() - started)
    return Imported(
        kind=path.name,
        ours=rows / median(run.seconds for run in runs[ours]),
        copy=rows / median(run.seconds for run in runs[copy]),
        ours_process=median(run.process for run in runs[ours]) / rows * 1e6,
        ours_server=median(run.server for run in runs[ours]) / rows * 1e6,
        copy_process=median(run.process for run in runs[copy]) / rows * 1e6,
        copy_server=median(run.server for run in runs[copy]) / rows * 1e6,
        refresh_seconds=median(refreshed),
    )


def _rows(path: Path, options: Options) -> tuple[list[str], list[list[tuple[Any, ...]]]]:
    """By batch, of the columns that `import` fills."""
    with open_input(str(path)) as file:
        read = [batch.rows for batch in batches(file, "bench", options, Tally())]
    known = {name for batch in read for row in batch for name in row}
    names = [name for name in COLUMNS if name in known]
    absent = {WEIGHT: 1}
    return names, [[tuple(row.get(name, absent.get(name)) for name in names) for row in batch] for batch in read]


async def _run(measure: Callable[[], Awaitable[int]], backend: Path, rows: int) -> _Run:
    started, process, server = time.perf_counter(), _process_time(), _cpu(backend)
    count = await measure()
    run = _Run(
        seconds=time.perf_counter() - started,
        process=_process_time() - process,
        server=_cpu(backend) - server,
    )
    if count != rows:
        raise ValueError(f"{count} of {rows} rows were stored")
    return run


def _process_time() -> float:
    """Of this process, and of those that have read files for it and have ended."""
    started = (int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split())
    forks = [Path(f"/proc/{pid}") for pid in started]
    return time.process_time() + sum(
        _cpu(fork / "stat") for fork in forks if b"multiprocessing.forkserver" in (fork / "cmdline").read_bytes()
    )


def _cpu(stat: Path) -> float:
    """Seconds of the process and of those that it had started and that have ended, to a hundredth; zero where its
    server is on another machine.
    """
    if not stat.exists():
        return 0.0
    return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:15])) / 100
