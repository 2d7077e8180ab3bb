"""A database that cannot hold the store is recognised before anything is made: one line, and nothing left behind.

The products are imitated, since none of them runs here: a real PostgreSQL whose `version()` answers theirs, and an
extension without content that is called citus.
"""

import asyncio
import itertools
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from analytics_service.database.foreign import created
from analytics_service.database.migrate.migration import load
from analytics_service.database.migrate.runner import migrate
from tests.support.command import called
from tests.support.eventually import eventually
from tests.support.postgres import Server
from tests.support.process import serving
from tests.support.service import execute

pytestmark = pytest.mark.postgres

ROWS = "organisation,ts,model\nacme,2024-03-01T00:00:00Z,m\n"
FOREIGN = "schema public has objects of somebody else"
_numbers = itertools.count()


def refused(url: str, said: str, tmp_path: Path, *, commands: tuple[str, ...] = ("migrate",)) -> None:
    """Each command ends with exit code 2 and a line with these words; `migrate` says them in its result too."""
    rows, result = tmp_path / "rows.csv", tmp_path / "result"
    rows.write_text(ROWS)
    given = {"import": [str(rows)], "migrate": ["--result-file", str(result)]}
    for command in commands:
        code, _, line = called(url, *command.split(), *given.get(command, []))
        assert (code, said in line) == (2, True), line
    assert (json.loads(result.read_text())["reason"], said in json.loads(result.read_text())["message"]) == (
        "UnsupportedDatabase",
        True,
    )


async def told(url: str, command: str, path: str, member: str, said: str) -> None:
    """Returns once `serve` or `work` gives these words as the reason why it does not work."""
    async with serving(url, command, LOG_LEVEL="error") as process:
        await process.until(path, 200 if path == "/status" else 503)

        async def named() -> bool:
            async with process.session.get(process.url + path) as response:
                return said in (json.loads(await response.text())[member] or "")

        await eventually(named, seconds=30)


async def test_somebody_elses_traces_are_left_alone_and_named_by_every_command(
    postgres: Server, empty_url: str, tmp_path: Path
) -> None:
    await execute(empty_url, 'CREATE TABLE traces (id text PRIMARY KEY, "timestamp" timestamptz, name text)')
    before = postgres.schema(empty_url)
    said = f"{FOREIGN} (table traces): name an empty database"
    refused(empty_url, said, tmp_path, commands=("migrate", "migrate --dry-run", "import", "policies plan"))
    code, output, _ = called(empty_url, "doctor", "--output", "json")
    assert code == 1
    assert said in {finding["check"]: finding["said"] for finding in json.loads(output)}["schema"]
    await told(empty_url, "serve", "/health/ready", "detail", said)
    await told(empty_url, "work", "/status", "problem", said)
    assert postgres.schema(empty_url) == before


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        pytest.param("CREATE VIEW rollup_1min AS SELECT 1", "view rollup_1min", id="view"),
        pytest.param("CREATE TABLE schema_meta (version text)", "table schema_meta", id="a history of another kind"),
        pytest.param("CREATE TABLE x (y int); CREATE INDEX policy ON x (y)", "index policy", id="index"),
        pytest.param(
            "CREATE FUNCTION watch_partition() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function watch_partition",
            id="function",
        ),
        pytest.param("CREATE TYPE policy AS (a int)", "type policy", id="type"),
    ],
)
async def test_any_object_in_the_way_is_named(postgres: Server, empty_url: str, sql: str, named: str) -> None:
    await execute(empty_url, sql)
    before = postgres.schema(empty_url)
    result = await migrate(empty_url, load(), notify=lambda _: None)
    assert (result.succeeded, result.reason) == (False, "UnsupportedDatabase")
    assert f"{FOREIGN} ({named})" in result.message
    assert postgres.schema(empty_url) == before


async def test_what_an_earlier_release_left_beside_them_changes_nothing(empty_url: str) -> None:
    await migrate(empty_url, load()[:1], notify=lambda _: None)
    await execute(empty_url, "CREATE TABLE traces (id int)")
    result = await migrate(empty_url, load(), notify=lambda _: None)
    assert (result.reason, f"{FOREIGN} (table traces)" in result.message) == ("UnsupportedDatabase", True)


async def test_tables_of_other_names_and_other_schemas_are_nobodys_concern(empty_url: str) -> None:
    await execute(empty_url, "CREATE TABLE users (id int); CREATE SCHEMA other; CREATE TABLE other.traces (id int)")
    assert (await migrate(empty_url, load(), notify=lambda _: None)).succeeded


def test_the_names_are_all_that_the_migrations_make(postgres: Server, database_url: str) -> None:
    made = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')",
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    names = postgres.sql(*made, database=database_url.rpartition("/")[2]).split()
    expected = created(load()) | {"schema_meta", "schema_journal"}
    assert len(names) > 30
    assert {name for name in names if not re.match(r"traces_p\d", name)} <= expected


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def otherwise_encoded(request: pytest.FixtureRequest, postgres: Server) -> Iterator[tuple[str, str]]:
    """The URL of a database, and its encoding."""
    name = f"encoded_{next(_numbers)}"
    postgres.sql(f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0")
    yield postgres.named(name), request.param
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


async def test_an_encoding_that_cannot_hold_every_text_is_refused(
    postgres: Server, otherwise_encoded: tuple[str, str], tmp_path: Path
) -> None:
    url, encoding = otherwise_encoded
    before = postgres.schema(url)
    said = f"the encoding of the database is {encoding}, and texts need UTF8"
    refused(url, said, tmp_path)
    if encoding == "LATIN1":
        assert said in called(url, "doctor", "--output", "json")[1]
        await told(url, "serve", "/health/ready", "detail", said)
    assert postgres.schema(url) == before


@pytest.mark.parametrize(
    ("version", "product"),
    [
        ("CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15, go1.22.2)", "CockroachDB"),
        ("PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17", "YugabyteDB"),
        ("PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.77", "Amazon Redshift"),
        ("PostgreSQL 12.12 (Greenplum Database 7.0.0 build commit:1) on x86_64-pc-linux-gnu", "Greenplum"),
    ],
    ids=lambda value: value.split()[0],
)
async def test_another_product_is_named(
    version: str, product: str, postgres: Server, empty_url: str, tmp_path: Path
) -> None:
    """`version()` of this one database is replaced."""
    function = (
        f"CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text STABLE LANGUAGE sql AS $$ SELECT '{version}' $$"
    )
    await execute(empty_url, f"SET allow_system_table_mods = on; {function}")
    said = f"{product} cannot hold the store: name a database of PostgreSQL 15 or newer"
    refused(empty_url, said, tmp_path, commands=("migrate", "import") if product == "CockroachDB" else ("migrate",))
    made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert postgres.sql(made, database=empty_url.rpartition("/")[2]) == "0\n"
    if product == "CockroachDB":
        assert said in called(empty_url, "doctor", "--output", "json")[1]
        await told(empty_url, "work", "/status", "problem", said)
        async with serving(empty_url) as service:
            assert service.process.stdout is not None
            async with asyncio.timeout(30):
                lines = [json.loads(await service.process.stdout.readline()) for _ in range(2)]
        (line,) = [line for line in lines if line["event"] == "DATABASE_CONNECTION_FAILED"]
        assert (line["reason"], line["cause"]) == ("UnsupportedDatabase", said)


@pytest.fixture
def extensions() -> Iterator[str]:
    """A folder outside of pytest's own, which only its user may read."""
    with tempfile.TemporaryDirectory(prefix="extensions-") as folder:
        yield folder


def test_citus_is_refused_where_nothing_was_made_yet(
    postgres: Server, empty_url: str, database_url: str, extensions: str, tmp_path: Path
) -> None:
    folder = Path(extensions)
    (folder / "extension").mkdir()
    (folder / "extension" / "citus.control").write_text("default_version = '12.1'\nrelocatable = true\n")
    (folder / "extension" / "citus--12.1.sql").write_text("SELECT 1;\n")
    folder.chmod(0o755)  # the server runs as another user
    for url in (empty_url, database_url):
        path = f"SET extension_control_path = '{folder}'"
        postgres.sql(path, "CREATE EXTENSION citus", database=url.rpartition("/")[2])
    refused(empty_url, "the database has the extension citus", tmp_path)
    assert called(database_url, "migrate")[0] == 0


@pytest.mark.parametrize("edition_server", ["timescaledb"], indirect=True)
async def test_timescaledb_may_be_in_another_schema(empty_edition_url: str, tmp_path: Path) -> None:
    await execute(empty_edition_url, "DROP EXTENSION IF EXISTS timescaledb")
    await execute(empty_edition_url, 'CREATE SCHEMA "Its own"; CREATE EXTENSION timescaledb SCHEMA "Its own"')
    rows = tmp_path / "rows.csv"
    rows.write_text(ROWS)
    for arguments in (("migrate",), ("policies", "apply"), ("import", str(rows)), ("doctor",)):
        code, output, line = called(empty_edition_url, *arguments)
        assert code == 0, (arguments, output, line)
    connection = await asyncpg.connect(empty_edition_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM timescaledb_information.chunks") == 1
        async with serving(empty_edition_url) as service, serving(empty_edition_url, "work"):
            await service.until("/health/ready", 200)
            await eventually(lambda: connection.fetchval("SELECT count(*) = 0 FROM traces"), seconds=60)
    finally:
        await connection.close()
