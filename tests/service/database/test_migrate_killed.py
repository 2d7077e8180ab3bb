"""kill -9 at and inside every step: the next run goes on, and ends in the schema of a run that nobody disturbed."""

import asyncio
import difflib
import json
import signal
import sys
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from tests.support.environment import program_environment
from tests.support.eventually import eventually
from tests.support.postgres import Server

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
from analytics_service.database.migrate.migration import load
print(asyncio.run(migrate(sys.argv[1], load(Path(sys.argv[2])), notify=lambda line: None)).reason)
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
    await migrate(empty_url, load(tmp_path)[:1], notify=lambda _: None)
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
        again = await migrate(empty_url, load(tmp_path), notify=lambda _: None)
        assert (again.succeeded, again.applied, again.version) == (True, ("0002_index",), 2), again.message
        assert not await watcher.fetchval(invalid)
        assert await watcher.fetchval("SELECT attempts FROM schema_journal WHERE name = '0002_index'") == 2
    finally:
        await blocker.close()
        await watcher.close()


BLOCKED = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1
)
"""


async def killed_inside(url: str, folder: Path, *, lock: str, waits_in: str) -> None:
    """A run of the folder's steps that is killed while a statement like `waits_in` waits for `lock`."""
    blocker, watcher = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with blocker.transaction():
            await blocker.execute(lock)
            process = await start(url, folder)
            try:
                await eventually(lambda: watcher.fetchval(BLOCKED, waits_in), seconds=30)
            finally:
                process.kill()
                await process.wait()
    finally:
        await blocker.close()
        await watcher.close()


async def test_every_step_of_the_history_survives_a_kill_at_its_end(
    edition_server: Server, edition_url: str, empty_edition_url: str, tmp_path: Path
) -> None:
    """All of its statements have run then, and are not committed."""
    connection = await asyncpg.connect(edition_url)
    made_for = await connection.fetchval("SELECT made_for FROM schema_meta")
    await connection.close()
    history = files("analytics_service.database").joinpath("migrations")
    for step in load():
        assert step.transactional, f"{step.name} has to be killed after each of its statements, too"
        (tmp_path / f"{step.name}.sql").write_text(history.joinpath(f"{step.name}.sql").read_text())
        if made_for in step.requires and step.number > 1:  # before the first there is no journal
            lock = "SELECT FROM schema_meta FOR UPDATE"
            await killed_inside(empty_edition_url, tmp_path, lock=lock, waits_in="%schema_meta%")
        result = await migrate(empty_edition_url, load(tmp_path), notify=lambda _: None)
        assert (result.succeeded, result.version) == (True, step.number), result.message
    disturbed, smooth = (edition_server.schema(url).splitlines() for url in (empty_edition_url, edition_url))
    assert list(difflib.unified_diff(smooth, disturbed, lineterm="")) == []


async def test_a_step_outside_a_transaction_survives_a_kill_in_each_of_its_statements(
    edition_server: Server, empty_edition_url: str, tmp_path: Path
) -> None:
    tables = "".join(f"CREATE TABLE things{n} (n int);\n" for n in (1, 2, 3))
    (tmp_path / "0001_things.sql").write_text(f"-- phase: expand\n{tables}")
    await migrate(empty_edition_url, load(tmp_path), notify=lambda _: None)
    statements = [f"ALTER TABLE things{n} ADD COLUMN IF NOT EXISTS m int" for n in (1, 2, 3)]
    (tmp_path / "0002_columns.sql").write_text("-- phase: expand\n-- tx: none\n" + ";\n".join(statements) + ";\n")
    for number in (1, 2, 3):
        lock = f"LOCK TABLE things{number}"
        await killed_inside(empty_edition_url, tmp_path, lock=lock, waits_in=f"%things{number}%")
    result = await migrate(empty_edition_url, load(tmp_path), notify=lambda _: None)
    assert (result.succeeded, result.applied, result.version) == (True, ("0002_columns",), 2), result.message
    assert edition_server.schema(empty_edition_url).count(" m integer") == 3


async def test_sigterm_ends_the_command_with_a_result_and_a_note_in_the_journal(
    database_url: str, tmp_path: Path
) -> None:
    blocker, result_file = await asyncpg.connect(database_url), tmp_path / "result"
    try:
        await blocker.execute("SELECT pg_advisory_lock(hashtextextended('analytics.migrate', 0))")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "analytics_service", "migrate", "--result-file", str(result_file)),
            env=program_environment(DATABASE_URL=database_url),
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
