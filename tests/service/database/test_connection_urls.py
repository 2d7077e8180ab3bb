"""URLs of the database: every example of the docs connects, and what cannot be meant is one line without a secret."""

import errno
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analytics_service import settings
from analytics_service.database.connect import connect, database_url
from analytics_service.database.failures import FAILURES, classify
from analytics_service.database.sessions import open_sessions
from analytics_service.errors import UsageError
from tests.support.environment import program_environment
from tests.support.pgbouncer import pooled
from tests.support.postgres import PASSWORD, Server
from tests.support.tls import CERTIFIED, Authority, port_of, with_tls

PAGE = (Path(__file__).parents[3] / "docs" / "database-urls.md").read_text()
EXAMPLES = re.findall(r"^\| (.+?) \| `(postgres\S+)` \| (.*)\|$", PAGE, flags=re.MULTILINE)
CREDENTIALS = {"user": "password", "reserved": "p@ss/w#rd?", CERTIFIED: "no-password-logs-it-in"}


@dataclass(frozen=True)
class Certified:
    """A server with TLS; its database `database` has the roles of the docs."""

    server: Server
    authority: Authority

    @property
    def port(self) -> int:
        return port_of(self.server)

    def here(self, text: str) -> str:
        """An example with the places of this server in place of those of the docs."""
        folder, port = str(self.authority.folder), str(self.port)
        encoded = f"{folder.replace('/', '%2F')}:{port}"
        text = re.sub(r"\w+\.example:\d+", f"127.0.0.1:{port}", text)
        text = text.replace("[2001:db8::1]:5432", f"[::1]:{port}").replace("%2Fvar%2Frun%2Fpostgresql:5432", encoded)
        text = text.replace("/var/run/postgresql", folder).replace("port=5432", f"port={port}")
        return text.replace("/etc/analytics", folder)

    def url(self, query: str = "", *, host: str = "127.0.0.1", user: str = "user:password") -> str:
        return f"postgres://{user}@{host}:{self.port}/database{query}"


@pytest.fixture(scope="module")
def certified() -> Iterator[Certified]:
    folder = Path(tempfile.mkdtemp(prefix="tls-"))
    folder.chmod(0o755)
    authority = Authority(folder).made()
    certificate, key = authority.issue("tls", common_name=CERTIFIED)
    assert (certificate.name, key.name) == ("tls.crt", "tls.key")
    passwords = folder / "pgpass"
    passwords.write_text("*:*:database:user:password\n")
    passwords.chmod(0o600)
    try:
        with with_tls(authority) as server:
            server.sql(*(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{word}'" for name, word in CREDENTIALS.items()))
            server.sql("CREATE DATABASE database")
            yield Certified(server, authority)
    finally:
        shutil.rmtree(folder)


def test_the_page_has_an_example_of_every_kind() -> None:
    assert len(EXAMPLES) == len(re.findall(r"`postgres://\S+`", PAGE)) == 15
    assert {name for _, _, others in EXAMPLES for name in re.findall(r"`(\w+)=", others)} == {
        "DATABASE_CA_FILE",
        "DATABASE_CLIENT_CERT_FILE",
        "DATABASE_CLIENT_KEY_FILE",
    }


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(("::1", 9)) != errno.EADDRNOTAVAIL


def loaded(url: str, **environment: str) -> settings.Settings:
    return settings.load({"DATABASE_URL": url, **environment})


async def connects(url: str, **environment: str) -> tuple[str, bool]:
    """The user that is connected, and whether TLS is used."""
    connection = await connect(database_url(loaded(url, **environment)), command="doctor")
    try:
        row = await connection.fetchrow("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert row is not None
        return row["current_user"], row["ssl"]
    finally:
        await connection.close()


@pytest.mark.parametrize(("kind", "url", "others"), EXAMPLES, ids=[kind for kind, _, _ in EXAMPLES])
async def test_every_example_of_the_page_connects(certified: Certified, kind: str, url: str, others: str) -> None:
    if "[2001" in url and not has_ipv6():
        pytest.skip("this machine has no address of IPv6")
    environment = dict(re.findall(r"`(\w+)=(\S+)`", certified.here(others)))
    if "sslrootcert=system" in url:  # which a variable of OpenSSL names, for a process of its own
        code, output, _ = called("doctor", certified.here(url), SSL_CERT_FILE=str(certified.authority.ca))
        assert (code, "DATABASE_URL connects" in output) == (1, True), "there is no schema"
        return
    if "pooler" in url:
        with pooled(certified.server.named("database")) as pooler:
            port = pooler.rpartition("@")[2].partition("/")[0].rpartition(":")[2]
            given = loaded(re.sub(r"user:password@pooler.example:\d+", f"postgres:{PASSWORD}@127.0.0.1:{port}", url))
            sessions = await open_sessions(given, database_url(given))
            await sessions.pool.close()
            assert sessions.shared
            return
    user, encrypted = await connects(certified.here(url), **environment)
    assert user == re.split("[:@]", url.removeprefix("postgres://"))[0]
    assert encrypted == ("socket" not in kind)


async def refusal(url: str, **environment: str) -> str:
    with pytest.raises(FAILURES) as refused:
        await connects(url, **environment)
    return classify(refused.value, url).message


async def test_certificates_are_verified_as_far_as_they_are_asked_to_be(certified: Certified) -> None:
    authority, ca = certified.authority, str(certified.authority.ca)
    with tempfile.TemporaryDirectory() as folder:
        other = str(Authority(Path(folder)).made().ca)
        untrusted = "the certificate of the database is not trusted"
        assert untrusted in await refusal(certified.url(), DATABASE_CA_FILE=other)
        assert untrusted in await refusal(certified.url(f"?sslmode=verify-ca&sslrootcert={other}"))
    assert await connects(certified.url("?sslmode=verify-ca"), DATABASE_CA_FILE=ca) == ("user", True)
    # the certificate of the server is for addresses, and not for a name
    assert "not trusted" in await refusal(certified.url(host="localhost"), DATABASE_CA_FILE=ca)
    assert await connects(certified.url("?sslmode=verify-ca", host="localhost"), DATABASE_CA_FILE=ca) == ("user", True)
    assert await connects(certified.url("?sslmode=disable")) == ("user", False)
    assert await connects(certified.url("?ssl=true")) == ("user", True)
    certificate, key = authority.issue("stranger", common_name="stranger")
    files = {"DATABASE_CLIENT_CERT_FILE": str(certificate), "DATABASE_CLIENT_KEY_FILE": str(key)}
    assert "refuses the user or password" in await refusal(certified.url(user=CERTIFIED), **files)


@pytest.mark.parametrize("command", ["migrate", "doctor"])
def test_a_command_works_with_a_private_ca_and_a_client_certificate(certified: Certified, command: str) -> None:
    folder = certified.authority.folder
    certified.server.sql(f"GRANT ALL ON SCHEMA public TO {CERTIFIED}", database="database")
    names = {"CA": "ca.crt", "CLIENT_CERT": "tls.crt", "CLIENT_KEY": "tls.key"}
    files = {f"DATABASE_{name}_FILE": str(folder / file) for name, file in names.items()}
    code, output, error = called(command, certified.url("?keepalives=1&connect_timeout=3", user=CERTIFIED), **files)
    assert code == 0, output + error
    (line,) = [line for line in error.splitlines() if "DATABASE_URL_PARAMETERS_LEFT_OUT" in line]
    assert "keepalives, connect_timeout" in line


def called(command: str, url: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "analytics_service", command],
        env=program_environment(DATABASE_URL=url, COLUMNS="200", **environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def files(certified: Certified) -> dict[str, str]:
    """Paths by the words of the cases below."""
    folder = certified.authority.folder
    (folder / "text").write_text("no certificate")
    return {
        "{ca}": str(certified.authority.ca),
        "{cert}": str(folder / "tls.crt"),
        "{key}": str(folder / "tls.key"),
        "{other}": str(folder / "ca.key"),
        "{text}": str(folder / "text"),
        "{missing}": str(folder / "missing"),
    }


@pytest.mark.parametrize(
    ("query", "environment", "said"),
    [
        ("", {"CA": "{missing}"}, "DATABASE_CA_FILE: {missing} cannot be read: No such file or directory"),
        ("", {"CA": "{text}"}, "DATABASE_CA_FILE: {text} holds no certificate in PEM"),
        ("?sslmode=prefer", {"CA": "{ca}"}, "DATABASE_CA_FILE: sslmode=prefer of DATABASE_URL does not use it"),
        ("?sslrootcert={missing}", {}, "DATABASE_URL: sslrootcert: {missing} cannot be read"),
        ("?sslmode=verify-full", {}, "DATABASE_URL: sslmode=verify-full needs the CA of the server"),
        ("", {"CLIENT_CERT": "{cert}"}, "DATABASE_CLIENT_CERT_FILE: {cert} holds no certificate and key in PEM"),
        ("", {"CLIENT_KEY": "{key}"}, "DATABASE_CLIENT_KEY_FILE: needs DATABASE_CLIENT_CERT_FILE beside it"),
        (
            "",
            {"CLIENT_CERT": "{cert}", "CLIENT_KEY": "{other}"},
            "DATABASE_CLIENT_KEY_FILE: {other} is not the key of DATABASE_CLIENT_CERT_FILE",
        ),
        ("", {"CLIENT_CERT": "{cert}", "CLIENT_KEY": "{missing}"}, "DATABASE_CLIENT_KEY_FILE: {missing} cannot be"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    files: dict[str, str], query: str, environment: dict[str, str], said: str
) -> None:
    def filled(text: str) -> str:
        return re.sub(r"\{\w+\}", lambda word: files[word[0]], text)

    given = {f"DATABASE_{name}_FILE": filled(path) for name, path in environment.items()}
    with pytest.raises(UsageError) as refused:
        database_url(loaded(f"postgres://user:password@127.0.0.1/database{filled(query)}", **given))
    assert str(refused.value).startswith(filled(said))
