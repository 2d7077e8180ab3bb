import asyncio
from pathlib import Path

import asyncpg
import pytest

from analytics_service.database.migrate.migration import Migration, load, parse, schema_version
from analytics_service.database.migrate.runner import migrate
from tests.support.postgres import PASSWORD, Server

pytestmark = pytest.mark.postgres

FIRST = parse("0001_first.sql", "-- phase: expand\nCREATE TABLE first (n int);\n")
SECOND = parse("0002_second.sql", "-- phase: expand\nCREATE TABLE second (n int);\n")


def quiet(_line: str) -> None:
    """The progress of a run that no one watches."""


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    finally:
        await connection.close()


async def test_an_empty_database_gets_the_schema_and_a_second_run_changes_nothing(empty_edition_url: str) -> None:
    first = await migrate(empty_edition_url, load(), notify=quiet)
    assert (first.succeeded, first.reason, first.version) == (True, "Applied", schema_version()), first.message
    assert {"traces", "rollup_1hour", "rollup_dirty"} <= await tables(empty_edition_url)
    again = await migrate(empty_edition_url, load(), notify=quiet)
    assert (again.succeeded, again.reason, again.applied) == (True, "UpToDate", ())
    assert again.edition == first.edition


async def test_a_dry_run_names_the_steps_and_changes_nothing(empty_edition_url: str) -> None:
    result = await migrate(empty_edition_url, load(), dry_run=True, notify=quiet)
    assert result.succeeded
    assert "0001_dirty_log" in result.pending
    assert await tables(empty_edition_url) == set()
    promised = result.edition
    assert (await migrate(empty_edition_url, load(), notify=quiet)).edition == promised or promised is None


async def test_migrates_that_start_together_apply_each_step_once(empty_edition_url: str) -> None:
    results = await asyncio.gather(*(migrate(empty_edition_url, load(), notify=quiet) for _ in range(4)))
    assert sorted(result.reason for result in results) == ["Applied", "UpToDate", "UpToDate", "UpToDate"]


async def test_a_later_release_applies_only_what_is_new(empty_url: str) -> None:
    await migrate(empty_url, [FIRST], notify=quiet)
    result = await migrate(empty_url, [FIRST, SECOND], notify=quiet)
    assert (result.applied, result.version) == (("0002_second",), 2)


async def test_an_edited_history_is_refused(empty_url: str) -> None:
    await migrate(empty_url, [FIRST], notify=quiet)
    edited = parse("0001_first.sql", FIRST.sql + "-- and more\n")
    result = await migrate(empty_url, [edited, SECOND], notify=quiet)
    assert (result.succeeded, result.reason) == (False, "HistoryEdited")
    assert "0001_first" in result.message
    assert "second" not in await tables(empty_url)


async def test_an_older_release_lives_with_an_expanded_schema(empty_url: str) -> None:
    await migrate(empty_url, [FIRST, SECOND], notify=quiet)
    result = await migrate(empty_url, [FIRST], notify=quiet)
    assert (result.succeeded, result.reason, result.version, result.target) == (True, "NewerCompatible", 2, 1)


async def test_an_older_release_is_refused_after_a_contract(empty_url: str) -> None:
    contract = parse("0002_drop.sql", "-- phase: contract\n-- min_compatible_schema: 2\nDROP TABLE first;\n")
    await migrate(empty_url, [FIRST, contract], notify=quiet)
    result = await migrate(empty_url, [FIRST], notify=quiet)
    assert (result.succeeded, result.reason) == (False, "DatabaseNewer")


async def test_a_failing_step_leaves_nothing_of_itself(empty_url: str) -> None:
    broken = parse("0002_broken.sql", "-- phase: expand\nCREATE TABLE half (n int);\nSELECT 1 / 0;\n")
    result = await migrate(empty_url, [FIRST, broken], notify=quiet)
    assert (result.succeeded, result.reason, result.version) == (False, "MigrationFailed", 0)
    assert result.pending == ("0002_broken",)
    assert "half" not in await tables(empty_url)
    fixed = await migrate(empty_url, [FIRST, SECOND], notify=quiet)
    assert fixed.applied == ("0002_second",)


async def test_a_held_lock_is_retried_and_then_reported(empty_url: str) -> None:
    await migrate(empty_url, [FIRST], notify=quiet)
    alter = parse("0002_alter.sql", "-- phase: expand\n-- lock_timeout: 20ms\nALTER TABLE first ADD COLUMN m int;\n")
    blocker = await asyncpg.connect(empty_url)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE first")
            result = await migrate(empty_url, [FIRST, alter], notify=quiet)
    finally:
        await blocker.close()
    assert (result.succeeded, result.reason) == (False, "LockTimeout")
    assert (await migrate(empty_url, [FIRST, alter], notify=quiet)).succeeded


async def test_waiting_for_another_migrate_ends_at_the_timeout(empty_url: str) -> None:
    blocker = await asyncpg.connect(empty_url)
    try:
        await blocker.execute("SELECT pg_advisory_lock(hashtextextended('analytics.migrate', 0))")
        result = await migrate(empty_url, [FIRST], timeout_seconds=0.3, notify=quiet)
    finally:
        await blocker.close()
    assert (result.succeeded, result.reason) == (False, "LockTimeout")


async def test_a_stopped_run_says_so_and_can_go_on(empty_url: str) -> None:
    slow = parse("0002_slow.sql", "-- phase: expand\nCREATE TABLE half (n int);\nSELECT pg_sleep(60);\n")
    started = asyncio.Event()

    def watch(line: str) -> None:
        if "slow" in line:
            started.set()

    run = asyncio.create_task(migrate(empty_url, [FIRST, slow], notify=watch))
    await started.wait()
    run.cancel()
    result = await run
    assert (result.succeeded, result.reason, result.applied) == (False, "Terminated", ("0001_first",))
    assert (await migrate(empty_url, [FIRST, SECOND], notify=quiet)).succeeded


async def test_no_failure_tells_the_password(postgres: Server) -> None:
    wrong = postgres.url.replace(PASSWORD, "wrong-password-91")
    for url, reason in (
        (wrong, "AuthenticationFailed"),
        (postgres.named("nowhere"), "DatabaseUnreachable"),
        (f"postgres://user:{PASSWORD}@127.0.0.1:1/x", "DatabaseUnreachable"),
        (f"postgres://user:{PASSWORD}@host.invalid/x", "DatabaseUnreachable"),
    ):
        result = await migrate(url, [FIRST], notify=quiet)
        assert (result.succeeded, result.reason) == (False, reason), result.message
        assert PASSWORD not in result.message
        assert "wrong-password-91" not in result.message


async def test_a_user_without_rights_is_told_so(postgres: Server, empty_url: str) -> None:
    postgres.sql("DROP ROLE IF EXISTS nobody_special", "CREATE ROLE nobody_special LOGIN PASSWORD 'x'")
    url = empty_url.replace(f"postgres:{PASSWORD}", "nobody_special:x")
    result = await migrate(url, [FIRST], notify=quiet)
    assert (result.succeeded, result.reason) == (False, "PermissionDenied")


async def test_a_read_only_database_is_told_so(empty_url: str, postgres: Server) -> None:
    name = empty_url.rsplit("/", 1)[1]
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    result = await migrate(empty_url, [FIRST], notify=quiet)
    assert (result.succeeded, result.reason) == (False, "ReadOnlyDatabase")


@pytest.mark.parametrize("step", load(), ids=lambda step: step.name)
def test_steps_outside_a_transaction_can_be_repeated(step: Migration) -> None:
    for statement in () if step.transactional else step.statements:
        assert "IF NOT EXISTS" in statement or "IF EXISTS" in statement


def test_migrations_are_in_the_package_under_their_names() -> None:
    folder = Path(__file__).parents[3] / "service/src/analytics_service/database/migrations"
    assert [step.name for step in load()] == sorted(file.stem for file in folder.glob("*.sql"))
