"""A database that cannot be used as it is: one line that names what is wrong, exit code 2, and nothing half done."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from analytics_service.database import edition
from analytics_service.database.edition import Server as Inspected
from analytics_service.database.migrate.migration import load, parse, schema_version
from analytics_service.database.migrate.runner import migrate
from analytics_service.errors import ServerTooOld
from tests.support.command import called
from tests.support.eventually import eventually
from tests.support.pgbouncer import pooled
from tests.support.postgres import PASSWORD, Server, a_standby
from tests.support.process import serving
from tests.support.service import execute

pytestmark = pytest.mark.postgres

FIRST = parse("0001_first.sql", "-- phase: expand\nCREATE TABLE first (n int);\n")
CONTRACT = parse("0002_drop.sql", "-- phase: contract\n-- min_compatible_schema: 2\nDROP TABLE first;\n")
ROWS = "organisation,ts,model\nacme,2024-03-01T00:00:00Z,m\n"


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return str(path)


@pytest.fixture
def stranger(postgres: Server, database_url: str) -> Iterator[str]:
    """The URL of a migrated database as a user who may only connect."""
    role = f"stranger_{database_url.rpartition('_')[2]}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    yield database_url.replace("postgres:", f"{role}:", 2).replace(f"{role}:", "postgres:", 1)
    postgres.sql(f"DROP OWNED BY {role}", database=database_url.rpartition("/")[2])
    postgres.sql(f"DROP ROLE {role}")


@pytest.fixture
def reader(postgres: Server, stranger: str) -> str:
    """The same, who may also read."""
    role, name = stranger.split("//")[1].split(":", maxsplit=1)[0], stranger.rpartition("/")[2]
    postgres.sql(
        f"GRANT ALL ON SCHEMA public TO {role}", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", database=name
    )
    return stranger


def test_nobody_answers(rows: str) -> None:
    for command in (("migrate",), ("import", rows)):
        code, _, said = called(f"postgres://user:{PASSWORD}@127.0.0.1:1/none", *command)
        assert (code, "there is no connection to the database" in said) == (2, True), said


def test_privileges_are_named_with_their_objects(stranger: str, rows: str, empty_url: str) -> None:
    code, _, said = called(stranger, "import", rows)
    assert code == 2
    assert "lacks" in said
    code, _, said = called(f"{stranger.rpartition('/')[0]}/{empty_url.rpartition('/')[2]}", "migrate")
    assert code == 2
    assert "lacks CREATE on schema public: GRANT it" in said


@pytest.mark.parametrize("command", ["import", "policies apply"])
def test_a_missing_privilege_ends_whatever_writes(reader: str, rows: str, command: str) -> None:
    code, _, said = called(reader, *command.split(), *([rows] if command == "import" else []))
    assert code == 2
    assert "DELETE on rollup_1day" in said
    assert "INSERT on traces" in said
    assert ("INSERT on policy" in said) == ("INSERT on dropped_partition" in said) == (command != "import")
    assert ("UPDATE on schema_meta" in said) == (command != "import")


async def test_the_privileges_that_are_named_are_enough(reader: str, rows: str, database_url: str) -> None:
    role = reader.split("//")[1].split(":", maxsplit=1)[0]

    async def grant_what_is_named(*command: str) -> None:
        _, _, said = called(reader, *command)
        named = re.findall(r"(\w+ on \w+)[,:]", said)
        assert len(named) > 3
        await execute(database_url, "; ".join(f"GRANT {each} TO {role}" for each in named))
        code, _, said = called(reader, *command)
        assert code == 0, said

    await grant_what_is_named("policies", "apply")
    assert called(reader, "doctor")[0] == 0
    await execute(database_url, f"REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM {role}")
    await execute(database_url, "SELECT ensure_partitions('2024-03-01', '2024-03-02')")  # which their owner makes
    await grant_what_is_named("import", rows)


def test_whoever_may_only_read_sees_the_plan_of_policies(reader: str) -> None:
    code, _, said = called(reader, "policies", "plan")
    assert (code, said) == (0, "")


def test_doctor_reports_a_missing_privilege(reader: str) -> None:
    code, _, said = called(reader, "doctor")
    assert (code, said) == (1, "analytics-service: not in order: rights")


async def test_the_worker_waits_for_a_missing_privilege(reader: str, database_url: str) -> None:
    role = reader.split("//")[1].split(":", maxsplit=1)[0]
    async with serving(reader, "work") as worker:
        await worker.until("/status", 200)

        async def problem() -> str | None:
            async with worker.session.get(f"{worker.url}/status") as response:
                found: str | None = json.loads(await response.text())["problem"]
                return found

        async def named() -> bool:
            return "INSERT on traces" in (await problem() or "")

        await eventually(named, seconds=30)
        assert await worker.status("/health/ready") == 503
        await execute(database_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        await worker.until("/health/ready", 200)


async def test_migrate_needs_to_own_the_tables(stranger: str, database_url: str) -> None:
    role = stranger.split("//")[1].split(":", maxsplit=1)[0]
    await execute(
        database_url, f"GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    )
    last = schema_version()
    more = parse(f"{last + 1:04}_more.sql", "-- phase: expand\nALTER TABLE traces ADD COLUMN more int;\n")
    result = await migrate(stranger, [*load(), more], notify=lambda _: None)
    assert (result.succeeded, result.reason, result.version) == (False, "PermissionDenied", last)
    assert "ownership of table traces" in result.message


def test_a_replica_is_no_primary(primary: Server, rows: str) -> None:
    with primary.database(migrated=False) as url:
        assert called(url, "migrate")[0] == 0
        with a_standby(primary) as standby:
            replica = standby.named(url.rpartition("/")[2])
            fresh = standby.named("postgres")
            code, _, said = called(fresh, "migrate")
            assert (code, said) == (2, "analytics-service: the database is read-only: name the primary")
            code, _, said = called(replica, "import", rows)
            assert (code, "read-only" in said) == (2, True), said


@pytest.mark.parametrize("ignored", ["", "jit,search_path,statement_timeout,extra_float_digits"])
def test_a_pooler_is_in_the_way(database_url: str, rows: str, ignored: str) -> None:
    with pooled(database_url, ignore_startup_parameters=ignored) as url:
        for command in (("migrate",), ("migrate", "--dry-run"), ("import", rows)):
            code, _, said = called(url, *command)
            assert code == 2
            assert f"{command[0]} needs the server's own address" in said


async def test_a_contract_waits_until_no_older_release_is_connected(empty_url: str) -> None:
    await migrate(empty_url, [FIRST], notify=lambda _: None)
    old = await asyncpg.connect(empty_url, server_settings={"application_name": "analytics-service/1"})
    try:
        late = await migrate(empty_url, [FIRST, CONTRACT], timeout_seconds=2, notify=lambda _: None)
        assert (late.succeeded, late.reason, late.version) == (False, "OldReleasesConnected", 1)
        assert "1 sessions of releases that do not know schema 2" in late.message
        waits = asyncio.Event()
        run = asyncio.create_task(
            migrate(empty_url, [FIRST, CONTRACT], notify=lambda line: waits.set() if "older release" in line else None)
        )
        await asyncio.wait_for(waits.wait(), timeout=30)
    finally:
        await old.close()
    newer = await asyncpg.connect(empty_url, server_settings={"application_name": "analytics-service/2"})
    result = await run
    await newer.close()
    assert (result.succeeded, result.version) == (True, 2), result.message


@pytest.mark.parametrize(
    ("number", "extension", "said"),
    [(140_011, None, "PostgreSQL 14.11 is too old"), (150_000, "2.17.2", "TimescaleDB 2.17.2 is too old")],
)
def test_a_server_is_too_old(number: int, extension: str | None, said: str) -> None:
    server = Inspected(
        version="14.11",
        version_number=number,
        extension=extension,
        license="apache",
        can_create_extension=False,
        read_only=False,
    )
    with pytest.raises(ServerTooOld, match=said):
        edition.check(server)


async def test_a_full_disk_is_said_and_leaves_nothing_half_done(empty_url: str, database_url: str, rows: str) -> None:
    """The server's own error, raised where it would have to grow a file."""
    full = "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'"
    body = f"LANGUAGE plpgsql AS $$ BEGIN {full}; END $$"
    await execute(empty_url, f"CREATE FUNCTION full_() RETURNS event_trigger {body}")
    when = "ON ddl_command_start WHEN TAG IN ('CREATE VIEW')"
    await execute(empty_url, f"CREATE EVENT TRIGGER full_ {when} EXECUTE FUNCTION full_()")
    result = await migrate(empty_url, load(), notify=lambda _: None)
    assert (result.succeeded, result.reason) == (False, "DiskFull"), result.message
    code, _, said = called(empty_url, "migrate")
    assert (code, "the disk of the database is full" in said) == (2, True), said
    await execute(empty_url, "DROP EVENT TRIGGER full_")
    assert (await migrate(empty_url, load(), notify=lambda _: None)).succeeded
    await execute(database_url, f"CREATE FUNCTION full_() RETURNS trigger {body}")
    await execute(database_url, "CREATE TRIGGER full_ BEFORE INSERT ON traces FOR EACH ROW EXECUTE FUNCTION full_()")
    code, _, said = called(database_url, "import", rows)
    assert (code, "the disk of the database is full" in said) == (2, True), said
