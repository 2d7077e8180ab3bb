"""Costs of the store: import against COPY, a dashboard of 90 days from rollups and from raw, late rows, and disk.

`python -m bench.database` starts a PostgreSQL of its own, without fsync, unless --dsn names a server whose user is a
superuser. Prints the tables of docs/performance.md.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pydantic import TypeAdapter
from rich.progress import Progress

from analytics_service.commands.embedded import postgres
from analytics_service.database.connect import SETTINGS
from analytics_service.database.edition import inspect
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from analytics_service.database.sessions import GENERIC_PLAN
from bench.database import figures, imports, measures, rows
from bench.database.figures import Figures
from bench.database.files import KINDS
from bench.service.__main__ import progress


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000_000, 20_000_000], metavar="ROWS")
    parser.add_argument(
        "--import-rows", type=int, default=400_000, metavar="ROWS", help="of each file that is imported"
    )
    parser.add_argument("--imports", nargs="*", choices=list(KINDS), default=list(KINDS), help="the kinds of files")
    parser.add_argument("--processes", type=int, help="as of `import` (default: its own)")
    parser.add_argument("--rounds", type=int, default=5, help="medians are of these (default 5)")
    parser.add_argument("--dsn", help="of a server with another edition, as TIMESCALE_TEST_DSN")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    with progress() as shown, _server(options.dsn) as url:
        found = asyncio.run(_measured(url, options, shown))
    as_json = TypeAdapter(Figures).dump_json(found, indent=1).decode()
    print(as_json if options.output == "json" else "\n".join(figures.tables(found)))
    return 0


@contextmanager
def _server(dsn: str | None) -> Iterator[str]:
    if dsn is not None:
        yield dsn
    else:
        with postgres(None) as url:
            yield url


async def _measured(url: str, options: argparse.Namespace, shown: Progress) -> Figures:
    imported = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with _database(url) as connection:
            for kind in options.imports:
                task = shown.add_task(f"import of {kind}", total=None)
                count, rounds = options.import_rows, options.rounds
                imported.append(
                    await imports.imported(
                        connection, Path(folder) / kind, rows=count, rounds=rounds, processes=options.processes
                    )
                )
                shown.update(task, total=1, completed=1)
    dashboards, late, sizes, server = [], [], [], ""
    for size in options.sizes:
        async with _database(url) as connection:
            task = shown.add_task(f"{size:,} rows", total=1.0)
            await rows.fill(connection, size, done=lambda part, task=task: shown.update(task, completed=part))
            shown.update(task, completed=1.0)
            dashboards.append(await measures.dashboard(connection, size, rounds=options.rounds))
            late.append(await measures.late(connection, rounds=options.rounds))
            sizes.append(await measures.sizes(connection))
            found = await inspect(connection)
            extension = f", TimescaleDB {found.extension}" if found.extension else ""
            server = f"{found.edition}: PostgreSQL {found.version}{extension}"
    return Figures(server=server, imported=imported, dashboards=dashboards, late=late, sizes=sizes)


@asynccontextmanager
async def _database(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A migrated database that exists only inside."""
    name = f"bench_{os.getpid()}"
    ours = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    await _admin(url, f"CREATE DATABASE {name}")
    try:
        await migrate(ours, load(), notify=lambda _: None)
        connection = await asyncpg.connect(ours, server_settings=SETTINGS | GENERIC_PLAN)
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await _admin(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
