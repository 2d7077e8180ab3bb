"""Reads files into the database, and refreshes the rollups that this made stale."""

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from rich.console import Console

from analytics_service import settings
from analytics_service.commands.import_summary import Summary, as_json, show
from analytics_service.commands.progress import Progress
from analytics_service.commands.refresh import refresh
from analytics_service.database.connect import Connection, database_url
from analytics_service.database.failures import FAILURES, FailureReason, classify, command_error
from analytics_service.database.writers import writer_session
from analytics_service.errors import DatabaseError, ProcessLost, ServiceError, UsageError
from analytics_service.ingest.batches import OnError, Options
from analytics_service.ingest.conflicts import OnConflict
from analytics_service.ingest.load import imported_before, load, retention_horizon
from analytics_service.ingest.mapping import columns, pairs
from analytics_service.ingest.price_books import file_books, price_sources
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.processes import suitable
from analytics_service.ingest.reading import Source, sources
from analytics_service.ingest.tally import Tally
from analytics_service.ingest.times import TimeUnit, timestamp
from analytics_service.settings import Settings

SOME_SKIPPED: Final = 3
"""Exit code: all rows are in but the bad ones, which --on-error skip left out."""


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    loaded = settings.load(environment, require=("database_url",))
    files = sources(arguments.files, arguments.source)
    options = Options(
        columns=replace(
            columns(arguments.map, arguments.set, arguments.ignore),
            usage=arguments.usage,
            time_unit=TimeUnit(arguments.time_unit) if arguments.time_unit else None,
            start=_start(arguments.start),
        ),
        preset=arguments.preset,
        file_format=arguments.format,
        on_error=OnError(arguments.on_error),
        on_conflict=OnConflict(arguments.on_conflict),
        batch_size=arguments.batch_size,
        dry_run=arguments.dry_run,
        processes=suitable(files, arguments.processes),
    )
    aliases = pairs("--price-as", arguments.price_as, "MODEL=model")
    tally = Tally(prices=Prices(aliases=aliases))
    asyncio.run(_import(loaded, arguments, files, options, tally))
    return SOME_SKIPPED if tally.bad else 0


def _start(text: str | None) -> datetime | None:
    try:
        return None if text is None else timestamp(text)
    except ValueError as error:
        raise UsageError(f"--start: {error}") from error


async def _import(
    loaded: Settings, arguments: Namespace, files: Sequence[Source], options: Options, tally: Tally
) -> None:
    """Shows what was stored also when a bad row or the database stopped it."""
    books = file_books(arguments.prices, loaded.price_books)
    url = database_url(loaded)
    async with writer_session(url, command="import") as connection:
        started = time.monotonic()
        tally.prices.sources = await price_sources(connection, books)
        try:
            buckets, error = await _store(connection, files, options, tally, url=url)
        except asyncio.CancelledError:
            left = "what is in stays, and the same command goes on"
            sys.stderr.write(
                f"interrupted: {tally.inserted:,} rows inserted, {tally.present:,} already there: {left}\n"
            )
            raise
    summary = Summary(
        tally=tally,
        files=tuple(file.path for file in files),
        seconds=time.monotonic() - started,
        buckets=buckets,
        dry_run=options.dry_run,
    )
    if arguments.output == "json":
        sys.stdout.write(as_json(summary) + "\n")
    else:
        show(summary, Console())
    if error is not None:
        raise error


async def _store(
    connection: Connection, files: Sequence[Source], options: Options, tally: Tally, *, url: str
) -> tuple[int, ServiceError | None]:
    """The number of buckets that were refreshed, and the error that stopped it; rows before the error stay stored."""
    buckets = 0
    stopped: ServiceError | None = None
    try:
        options = replace(
            options,
            horizon=await retention_horizon(connection),
            imported_before=await imported_before(connection),
        )
        with Progress(Console(stderr=True)) as progress:
            try:
                await load(connection, files, options, tally, progress.read)
            except (UsageError, ProcessLost) as error:
                stopped = error
            if not options.dry_run:
                buckets = await refresh(connection, progress.refreshed)
    except FAILURES as error:
        failure = classify(error, url)
        lost = failure.reason is FailureReason.UNREACHABLE  # it was there: whoever tries again may find it
        stopped = DatabaseError(failure.message) if lost else command_error(failure)
        stopped.__cause__ = error
    return buckets, stopped
