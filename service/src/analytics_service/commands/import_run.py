"""Reads files into the database, and refreshes the rollups that this made dirty."""

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace

import asyncpg
from rich.console import Console

from analytics_service import settings
from analytics_service.commands.import_progress import Progress
from analytics_service.commands.import_summary import Summary, as_json, show
from analytics_service.database import privileges
from analytics_service.database.connect import Connection, connect_directly, database_url
from analytics_service.database.failures import FAILURES, Reason, classify, refusal
from analytics_service.database.migrate.steps import schema_version
from analytics_service.database.schema import problem, schema_of
from analytics_service.errors import DatabaseError, DatabaseUnfit, SchemaIncompatible, UsageError
from analytics_service.ingest.batches import OnError, Options, Tally
from analytics_service.ingest.load import Source, floor_of, load, sources
from analytics_service.ingest.mapping import columns
from analytics_service.rollups.refresh import refresh
from analytics_service.settings import Settings


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    loaded = settings.load(environment, require=("database_url",))
    options = Options(
        columns=columns(arguments.map, arguments.set, arguments.ignore),
        file_format=arguments.format,
        on_error=OnError(arguments.on_error),
        batch_size=arguments.batch_size,
    )
    files = sources(arguments.files, arguments.source)
    asyncio.run(_import(loaded, files, options, output=arguments.output))
    return 0


async def _import(loaded: Settings, files: Sequence[Source], options: Options, *, output: str) -> None:
    """Shows what was stored also when a bad row or the database stopped it."""
    url = database_url(loaded)
    try:
        connection = await connect_directly(url, command="import")
    except FAILURES as error:
        raise refusal(classify(error, url)) from error
    started, tally, buckets = time.monotonic(), Tally(), 0
    stopped: UsageError | DatabaseError | None = None
    try:
        await _check_schema(connection)
        options = replace(options, floor=await floor_of(connection))
        with Progress(Console(stderr=True)) as progress:
            try:
                await load(connection, files, options, tally, progress.read)
            except UsageError as error:
                stopped = error
            buckets = await refresh(connection, progress.refreshed)
    except FAILURES as error:
        failure = classify(error, url)
        lost = failure.reason is Reason.UNREACHABLE  # it was there: whoever tries again may find it
        stopped = DatabaseError(failure.message) if lost else refusal(failure)
        stopped.__cause__ = error
    finally:
        await _close(connection)
    summary = Summary(
        tally=tally, files=tuple(file.path for file in files), seconds=time.monotonic() - started, buckets=buckets
    )
    if output == "json":
        sys.stdout.write(as_json(summary) + "\n")
    else:
        show(summary, Console())
    if stopped is not None:
        raise stopped


async def _check_schema(connection: Connection) -> None:
    wrong = problem(await schema_of(connection), schema_version(), writes=True)
    if wrong is not None:
        raise SchemaIncompatible(wrong)
    if (lacking := await privileges.missing(connection)) is not None:
        raise DatabaseUnfit(lacking)


async def _close(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await connection.close(timeout=5)
    except FAILURES:  # it was lost: the cause is known already
        connection.terminate()
