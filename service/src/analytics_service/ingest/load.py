"""Files into the database: reads, prices and encodes the next batch while the server stores the last one."""

import asyncio
import gc
import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from analytics_service.database.connect import Connection
from analytics_service.errors import UsageError
from analytics_service.ingest.batches import Options, Tally, batches
from analytics_service.ingest.copy import Writer
from analytics_service.ingest.files.input import STDIN, Input, open_input, source_name
from analytics_service.ingest.text import encode

Report: TypeAlias = Callable[[Input, Tally], None]
"""Called after every batch."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file, and the name that releases before 0.4 made the ids of its rows from."""

    path: str
    name: str


def sources(paths: Sequence[str], name: str | None) -> list[Source]:
    """The files, those of folders and patterns in the order of their names.

    UsageError where there are none, before anything is imported, and when one name is given to several.
    """
    found = {path: _files(path) for path in paths}
    if missing := [path for path, files in found.items() if not files]:
        raise UsageError(f"{', '.join(missing)}: no such file")
    files = [file for path in paths for file in found[path]]
    if name is not None and len(files) > 1:
        raise UsageError("--source: names one file; import the others with commands of their own")
    return [Source(path=file, name=name or source_name(file)) for file in files]


def _files(path: str) -> list[str]:
    if path == STDIN:
        return [path]
    given = Path(path)
    if given.exists() and not given.is_dir():
        return [path]
    matching = map(str, given.iterdir()) if given.is_dir() else glob.glob(path)  # noqa: PTH207 - relative to where we are
    return sorted(file for file in matching if Path(file).is_file())


async def retention_horizon(connection: Connection) -> datetime | None:
    """The moment before which rows are refused: the retention horizon of raw. None where no row has ended yet."""
    horizon: datetime | None = await connection.fetchval("SELECT floor FROM rollup_floor WHERE isfinite(floor)")
    return horizon


async def imported_before(connection: Connection) -> frozenset[str]:
    """The organisations with rows that releases before 0.4 may have imported."""
    return frozenset(row["org_id"] for row in await connection.fetch("SELECT org_id FROM imported_before"))


async def load(connection: Connection, files: Sequence[Source], options: Options, tally: Tally, report: Report) -> None:
    """Imports the files in order, or says what that would do where it is a dry run.

    Counts into `tally`, so that the caller knows what stays when this raises.

    Batches are committed one by one: at a bad row with OnError.STOP, or when this is cancelled, those that were
    written before stay, and the rest can be imported by running it again.
    """
    with _few_collections():
        await _load(connection, files, options, tally, report)


@contextmanager
def _few_collections() -> Iterator[None]:
    """The rows of a batch are many objects without cycles: looking for these takes a tenth of the time of reading."""
    thresholds = gc.get_threshold()
    gc.set_threshold(10_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


async def _load(
    connection: Connection, files: Sequence[Source], options: Options, tally: Tally, report: Report
) -> None:
    writer = Writer(connection, options.on_conflict, tally.prices.price)
    write = writer.dry_run if options.dry_run else writer.write
    for source in files:
        with open_input(source.path) as file:
            following = (
                encode(batch.rows, with_ids=batch.with_ids) for batch in batches(file, source.name, options, tally)
            )
            batch = await asyncio.to_thread(next, following, None)
            while batch is not None:
                reading = asyncio.create_task(asyncio.to_thread(next, following, None))
                try:
                    written = await write(batch)
                except BaseException:
                    await asyncio.wait({reading})  # the thread reads the file, which is closed on the way out
                    reading.exception()  # of the two failures the database's is the one to report
                    raise
                await asyncio.wait({reading})
                tally.inserted += written.inserted
                tally.present += written.present
                tally.conflicts += written.conflicts
                tally.changed += written.changed
                tally.nested += written.nested
                report(file, tally)
                batch = reading.result()
