"""migrate: brings the database to this release's schema, or shows the migrations that it would apply."""

import asyncio
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service import settings
from analytics_service.commands.boundary import ending
from analytics_service.commands.command import Command
from analytics_service.commands.migrate_progress import RollupConversion
from analytics_service.database.connect import database_url
from analytics_service.database.failures import EXTERNAL_REASONS, FailureReason
from analytics_service.database.migrate.migration import Migration, load
from analytics_service.database.migrate.result import MigrationResult, as_json
from analytics_service.database.migrate.runner import migrate
from analytics_service.errors import DatabaseError, DatabaseUnfit, UsageError
from analytics_service.telemetry import redaction

_EPILOG = """Exit code 0: the schema is there. 1: it is not, and one line says why. 2: it is not, and the cause is an
argument, a setting or the database that was named: no connection, no privilege, a pooler, a replica, a lock, its
product, encoding, licence, age or disk, or tables of somebody else in it.
Safe to run at any time, by any number of processes at once, and to stop: run it again to go on. Rollups of an earlier
release are converted before the last step, while pods of that release go on."""


def _configure(parser: ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.add_argument("--dry-run", action="store_true", help="print the pending migrations and change nothing")
    parser.add_argument("--output", choices=("table", "json"), default="table", help="for people, or for programs")
    parser.add_argument("--timeout-seconds", type=_seconds, metavar="N", help="give up after N seconds; default: never")
    parser.add_argument("--result-file", type=Path, metavar="PATH", help="write the result there too, as JSON")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise ValueError(text)
    return seconds


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    migrations = load()
    try:
        url = database_url(settings.load(environment, require=("database_url",)))
        result = asyncio.run(_until_signalled(url, migrations, arguments))
    except Exception as error:
        _write(arguments.result_file, _failed(error, environment))
        raise
    _write(arguments.result_file, result)
    if arguments.output == "json":
        Console(soft_wrap=True).out(as_json(result), highlight=False)
    else:
        _show(result, migrations)
    if not result.succeeded:
        raise (DatabaseUnfit if result.reason in EXTERNAL_REASONS else DatabaseError)(result.message)
    return 0


def _failed(error: Exception, environment: Mapping[str, str]) -> MigrationResult:
    """The result where a setting was wrong, or something went wrong that nothing foresaw."""
    reason = "InvalidSettings" if isinstance(error, UsageError) else FailureReason.OTHER.value
    message = redaction.of_environment(environment)(ending(error).message)
    return MigrationResult(succeeded=False, reason=reason, message=message)


async def _until_signalled(url: str, migrations: Sequence[Migration], arguments: Namespace) -> MigrationResult:
    """A signal cancels the statement that runs; migrations that were applied stay, and are in the journal."""
    console = Console(stderr=True, soft_wrap=True)
    task = asyncio.create_task(
        migrate(
            url,
            migrations,
            dry_run=arguments.dry_run,
            timeout_seconds=arguments.timeout_seconds,
            notify=lambda line: console.out(line, highlight=False),
            conversion=RollupConversion(console),
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    return await task


def _write(path: Path | None, result: MigrationResult) -> None:
    if path is None:
        return
    try:
        path.write_text(as_json(result), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--result-file: {path} cannot be written: {error.strerror}") from error


def _show(result: MigrationResult, migrations: Sequence[Migration]) -> None:
    table = Table("migration", "phase", "state", title=None, box=None, pad_edge=False)
    for migration in migrations:
        if migration.name in result.applied:
            state = "applied"
        elif migration.name in result.pending:
            state = "pending" + ("" if migration.transactional else ", outside a transaction")
        else:
            continue
        table.add_row(migration.name, migration.phase.value, state)
    console = Console(soft_wrap=True)
    if table.row_count:
        console.print(table)
    if result.server is not None:
        extension = f", TimescaleDB {result.extension}" if result.extension else ""
        server = f"{result.edition or 'timescaledb'} (PostgreSQL {result.server}{extension})"
        console.print(f"schema {result.version} of {result.target} on {server}", highlight=False)
    if result.succeeded:
        console.print(escape(result.message))


COMMAND = Command(
    name="migrate",
    help="bring the database to the schema of this release",
    configure=_configure,
    run=_run,
)
