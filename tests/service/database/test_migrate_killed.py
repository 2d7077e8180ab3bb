"""kill -9 in the middle of a step outside a transaction: the next run repeats the step and ends in the same schema."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from analytics_service.database.migrate.runner import migrate
from analytics_service.database.migrate.steps import load
from tests.support.eventually import eventually

pytestmark = pytest.mark.postgres

TABLE = "-- phase: expand\nCREATE TABLE things (n int);\nINSERT INTO things SELECT generate_series(1, 1000);\n"
INDEX = """-- phase: expand
-- tx: none
DROP INDEX CONCURRENTLY IF EXISTS things_by_n;
CREATE INDEX CONCURRENTLY IF NOT EXISTS things_by_n ON things (n);
"""
RUN = """
import asyncio, sys
from pathlib import Path
from analytics_service.database.migrate.runner import migrate
from analytics_service.database.migrate.steps import load
print(asyncio.run(migrate(sys.argv[1], load(Path(sys.argv[2])), say=lambda line: None)).reason)
"""


async def start(url: str, folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, url, str(folder), stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize(
    ("number", "state"),
    [pytest.param(signal.SIGKILL, "running", id="kill -9"), pytest.param(signal.SIGTERM, "running", id="kill")],
)
async def test_a_killed_step_is_repeated(empty_url: str, tmp_path: Path, number: signal.Signals, state: str) -> None:
    (tmp_path / "0001_things.sql").write_text(TABLE)
    (tmp_path / "0002_index.sql").write_text(INDEX)
    await migrate(empty_url, load(tmp_path)[:1], say=lambda _: None)
    blocker, watcher = await asyncpg.connect(empty_url), await asyncpg.connect(empty_url)
    try:
        async with blocker.transaction():  # an open write holds CREATE INDEX CONCURRENTLY back, after its first phase
            await blocker.execute("UPDATE things SET n = 0 WHERE n = 1")
            process = await start(empty_url, tmp_path)
            invalid = "SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)"
            await eventually(lambda: watcher.fetchval(invalid))
            process.send_signal(number)
            await process.wait()
            entry = await watcher.fetchrow("SELECT state, finished_at FROM schema_journal WHERE name = '0002_index'")
            assert entry is not None
            assert (entry["state"], entry["finished_at"]) == (state, None)
            assert await watcher.fetchval("SELECT version FROM schema_meta") == 1
        again = await migrate(empty_url, load(tmp_path), say=lambda _: None)
        assert (again.succeeded, again.applied, again.version) == (True, ("0002_index",), 2), again.message
        assert not await watcher.fetchval(invalid)
        assert await watcher.fetchval("SELECT attempts FROM schema_journal WHERE name = '0002_index'") == 2
    finally:
        await blocker.close()
        await watcher.close()


async def test_sigterm_ends_the_command_with_a_result_and_a_note_in_the_journal(
    database_url: str, tmp_path: Path
) -> None:
    blocker, result_file = await asyncpg.connect(database_url), tmp_path / "result"
    try:
        await blocker.execute("SELECT pg_advisory_lock(hashtextextended('analytics.migrate', 0))")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "analytics_service", "migrate", "--result-file", str(result_file)),
            env={"DATABASE_URL": database_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        assert b"another migrate is running" in await process.stderr.readline()
        process.terminate()
        _, error = await process.communicate()
    finally:
        await blocker.close()
    assert process.returncode == 1
    assert b"run it again" in error
    written = json.loads(result_file.read_text())
    assert (written["outcome"], written["reason"]) == ("failed", "Terminated")
