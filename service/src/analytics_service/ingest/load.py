"""Files into the database: the next batch is read, priced and encoded while the server stores the last one."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from typing import TypeAlias

from analytics_service.database.connect import Connection
from analytics_service.ingest.batches import Options
from analytics_service.ingest.copy import Writer
from analytics_service.ingest.processes import read_in_processes
from analytics_service.ingest.reading import Position, Source, few_collections, read
from analytics_service.ingest.tally import Tally

Report: TypeAlias = Callable[[Position, Tally], None]
"""Called after every batch."""


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
    writer = Writer(connection, options.on_conflict, tally.prices.price)
    write = writer.dry_run if options.dry_run else writer.write
    batches = (read_in_processes if options.processes else read)(files, options, tally)
    with few_collections(), closing(batches):
        following = asyncio.create_task(asyncio.to_thread(next, batches, None))
        try:
            while True:
                await asyncio.wait({following})
                batch = following.result()
                if batch is None:
                    break
                following = asyncio.create_task(asyncio.to_thread(next, batches, None))
                written = await write(batch.text)
                tally.inserted += written.inserted
                tally.present += written.present
                tally.conflicts += written.conflicts
                tally.changed += written.changed
                tally.nested += written.nested
                report(batch.position, tally)
        finally:
            await asyncio.wait({following})  # a thread reads the file, which is closed on the way out
            following.exception()  # of two failures the database's is the one to report
