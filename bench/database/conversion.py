"""Time and disk of the conversion of a store that release 0.1.0 made: `python -m bench.database.conversion`."""

import argparse
import asyncio
import time
from datetime import UTC, datetime, timedelta

import asyncpg
from rich.console import Console

from analytics_service.commands.embedded import postgres
from analytics_service.commands.migrate_progress import RollupConversion
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from tests.support.old_store import fill, migrated_by, partition, refreshed_by
from tests.support.releases import UPGRADABLE

_SIZES = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes, greatest(c.reltuples, 0)::bigint AS rows
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'rollup_%'
ORDER BY 1
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.database.conversion", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--organisations", type=int, default=3)
    parser.add_argument("--dsn", help="of an empty database; default: one of its own, without fsync")
    options = parser.parse_args()
    if options.dsn is not None:
        asyncio.run(_measure(options.dsn, options))
    else:
        with postgres(None) as url:
            asyncio.run(_measure(url, options))
    return 0


async def _measure(url: str, options: argparse.Namespace) -> None:
    console, release = Console(stderr=True), UPGRADABLE[-1]
    await asyncio.to_thread(migrated_by, release, url)
    end = datetime.now(UTC)
    start = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=options.days - 1)
    connection = await asyncpg.connect(url)
    began = time.monotonic()
    names = [f"org{number}" for number in range(options.organisations)]
    await partition(connection, start, end)
    await fill(connection, start, end, options.rows, organisations=names)
    console.print(f"{options.rows:,} rows written in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    await asyncio.to_thread(refreshed_by, release, url)
    await connection.execute("VACUUM ANALYZE")
    console.print(f"refreshed by {release.version} in {time.monotonic() - began:.0f} s")
    result = await migrate(url, load(), notify=console.print, conversion=RollupConversion(console))
    console.print(result.message)
    await connection.execute("VACUUM ANALYZE")
    for row in await connection.fetch(_SIZES):
        console.print(f"{row['name']:24} {row['bytes'] / 2**20:10,.1f} MB {row['rows']:12,} rows")
    await connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
