"""Stores that an earlier release made: migrated, filled and refreshed by that release's own code."""

import subprocess
import sys
from datetime import datetime
from io import StringIO
from typing import Any

from rich.console import Console

from analytics_service.commands.migrate_progress import RollupConversion
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.result import MigrationResult
from analytics_service.database.migrate.runner import migrate
from release.page import Release
from tests.support.environment import program_environment
from tests.support.releases import packages_of

REFRESH_OF_BEFORE = frozenset({"0.1.0", "0.2.0", "0.3.0"})
"""Releases that refresh the rollups of before, and not those of today."""
_REFRESH = """
import asyncio, sys, asyncpg
try:
    from analytics_service.rollups.refresh import refresh
except ModuleNotFoundError:  # of 0.1.0
    from analytics_service.database.refresh import refresh
async def main():
    connection = await asyncpg.connect(sys.argv[1], server_settings={"timezone": "UTC", "jit": "off"})
    await refresh(connection)
    await connection.close()
asyncio.run(main())
"""
_REFRESH_TODAY = """
import asyncio, sys, asyncpg
from analytics_service.rollups.hierarchy.refresh import Refresher, Schedule
async def main():
    connection = await asyncpg.connect(sys.argv[1], server_settings={"timezone": "UTC", "jit": "off"})
    for row in await connection.fetch("SELECT org_id FROM rollup_log UNION SELECT org_id FROM rollup_stale"):
        async for _ in Refresher(connection, row["org_id"], Schedule()).steps():
            pass
    await connection.close()
asyncio.run(main())
"""
_RETAIN = """
import asyncio, datetime, sys
from analytics_service.database.connect import connect
from analytics_service.rollups.retention.raw import retain_raw
async def main():
    connection = await connect(sys.argv[1], command="work")
    async for step in retain_raw(connection, datetime.datetime.fromisoformat(sys.argv[2])):
        print(step)
    await connection.close()
asyncio.run(main())
"""
_PARTITIONS = "SELECT ensure_partitions($1, $2::timestamptz - interval '1 microsecond')"
_FILL = """
INSERT INTO traces (
    org_id, project_id, trace_id, span_id, ts, provider, model, operation_type, environment, status_code, is_request,
    input_text, prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens,
    prompt_cost_usd, completion_cost_usd, total_cost_usd, duration_us, ttft_us, user_id, team_id, tags
)
SELECT ($3::text[])[1 + n % cardinality($3::text[])], 'p' || h % 2, $6 || n, 's',
    $1::timestamptz + ($2::timestamptz - $1::timestamptz) * (n::double precision / $5),
    'provider' || h % 3, 'model' || h % 10, CASE WHEN h % 11 = 0 THEN 'embedding' ELSE 'chat' END,
    CASE WHEN h % 5 = 0 THEN 'staging' ELSE 'production' END, CASE WHEN h % 50 = 0 THEN 'ERROR' ELSE 'OK' END,
    h % 29 > 0,
    'a short text', nullif(h % 4000, 7), nullif(h % 900, 3), h % 4000 + h % 900, h % 300, nullif(h % 40, 1),
    h % 4000 * 1e-6, h % 900 * 4e-6, CASE WHEN h % 13 > 0 THEN h % 4000 * 1e-6 + h % 900 * 4e-6 END,
    h2 % 9000000, CASE WHEN h % 7 > 0 THEN h2 % 900000 END,
    CASE WHEN h2 % 17 > 0 THEN 'u' || h2 % 5000 END, CASE WHEN h2 % 19 > 0 THEN 't' || h2 % 20 END,
    CASE h2 % 4 WHEN 0 THEN ARRAY['a', 'b', 'a'] WHEN 1 THEN ARRAY['b'] WHEN 2 THEN ARRAY[]::text[] END
FROM (
    SELECT n, abs(hashint8(n)::bigint) AS h, abs(hashint8(n + 7919)::bigint) AS h2
    FROM generate_series($4::bigint, $7::bigint) AS n
) AS numbered
"""
_PER_STATEMENT = 100_000


def migrated_by(release: Release, url: str) -> None:
    """Migrates with that release."""
    _run(release, "-m", "analytics_service", "migrate", DATABASE_URL=url)


async def migrated(url: str) -> MigrationResult:
    """Migrates with today's release, and converts."""
    conversion = RollupConversion(Console(file=StringIO()))
    result = await migrate(url, load(), notify=lambda _: None, conversion=conversion)
    assert result.succeeded, result.message
    return result


def imported_by(release: Release, url: str, *arguments: str) -> None:
    """Imports files with that release."""
    _run(release, "-m", "analytics_service", "import", *arguments, DATABASE_URL=url)


def refreshed_by(release: Release, url: str) -> None:
    """Refreshes all that is in its log with that release."""
    _run(release, "-c", _REFRESH if release.version in REFRESH_OF_BEFORE else _REFRESH_TODAY, url)


def retained_by(release: Release, url: str, until: datetime) -> str:
    """Ends raw rows with a release since 0.2.0; returns the error that it met, or nothing."""
    done = _call(release, "-c", _RETAIN, url, until.isoformat())
    return done.stderr if done.returncode else ""


async def partition(connection: Any, start: datetime, end: datetime) -> None:
    """Makes the partitions for rows of that time."""
    await connection.fetchval(_PARTITIONS, start, end)


async def fill(
    connection: Any, start: datetime, end: datetime, count: int, *, organisations: list[str], prefix: str = "t"
) -> None:
    """Writes `count` rows, evenly over a time that has partitions, with all that a rollup of before distinguishes."""
    for first in range(0, count, _PER_STATEMENT):
        last = min(first + _PER_STATEMENT, count) - 1
        await connection.execute(_FILL, start, end, organisations, first, count, prefix, last)


def _run(release: Release, *arguments: str, **variables: str) -> None:
    done = _call(release, *arguments, **variables)
    assert done.returncode == 0, done.stderr


def _call(release: Release, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = program_environment(**variables) | packages_of(release)
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
