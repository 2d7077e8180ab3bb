"""What a URL may say: libpq's parameters, those of other tools by name, and never a part of a password in a message."""

import ctypes
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service import settings
from analytics_service.__main__ import run
from analytics_service.connection_url import LEFT_OUT, OTHERS, UNDERSTOOD, parse
from analytics_service.errors import UsageError
from tests.support.postgres import embedded
from tests.support.service import SECRET

RESERVED = "#/?@% "
PASSWORDS = st.text(alphabet=f"QXZ019:&=+[]'{RESERVED}", min_size=1, max_size=12)


class _Option(ctypes.Structure):
    """PQconninfoOption."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    )


def libpq_parameters() -> set[str]:
    library = ctypes.CDLL(str(embedded().parent / "lib" / "libpq.so.5"))
    library.PQconndefaults.restype = ctypes.POINTER(_Option)
    names: set[str] = set()
    for option in library.PQconndefaults():
        if option.keyword is None:
            return names
        names.add(option.keyword.decode())
    raise AssertionError("the list has no end")


def test_whatever_libpq_knows_is_understood_or_left_out() -> None:
    known = libpq_parameters()
    assert {"sslmode", "channel_binding", "oauth_issuer"} <= known
    assert known - UNDERSTOOD - LEFT_OUT == set()
    assert set(OTHERS) & (UNDERSTOOD | LEFT_OUT) == set()


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_has_no_meaning_here_is_left_out(name: str) -> None:
    url = parse(f"postgres://user:pw@h/d?{name}=prefer&sslmode=require")
    assert url.left_out == (name,)
    assert url.dsn() == "postgresql://?host=h&user=user&password=pw&dbname=d&sslmode=require"


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_parameters_of_other_tools_are_named_with_whose_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"DATABASE_URL": f"postgres://user:QXZ-1@h/d?sslmode=require&{name}=1", "JWT_SECRET": SECRET}
    assert run(["serve"], environment) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"analytics-service: DATABASE_URL: parameter {name} is {OTHERS[name][0]}'s: leave it out; ")
    assert (error.count("\n"), "QXZ-1" in error) == (1, False)


@pytest.mark.parametrize(
    ("url", "dsn"),
    [
        ("postgres://u:p@h/d", "host=h&user=u&password=p&dbname=d"),
        ("POSTGRESQL://u@h:1/d", "host=h&port=1&user=u&dbname=d"),
        ("postgres://u:a:b@[::1]:7,[::2],h/d", "host=%5B%3A%3A1%5D%2C%5B%3A%3A2%5D%2Ch&port=7%2C5432%2C5432"),
        ("postgres:///d?host=/run/pg&user=u&password=p", "host=%2Frun%2Fpg&user=u&password=p&dbname=d"),
        ("postgres://%2Frun%2Fpg/d", "host=%2Frun%2Fpg&dbname=d"),
        ("postgres://u:p@localhost/d?host=/cloudsql/a:b:c", "host=%2Fcloudsql%2Fa%3Ab%3Ac&user=u&password=p&dbname=d"),
        ("postgres://u:p@localhost:7/d?host=/run/pg", "host=%2Frun%2Fpg&port=7&user=u&password=p&dbname=d"),
        ("postgres://[fe80::1%25eth0]/d", "host=%5Bfe80%3A%3A1%25eth0%5D&dbname=d"),
        ("postgres://h1,h2/d?port=5,6", "host=h1%2Ch2&port=5%2C6&dbname=d"),
        ("postgres://h1,h2/d?port=5", "host=h1%2Ch2&port=5%2C5&dbname=d"),
        ("postgres://:5433/d", "port=5433&dbname=d"),
        ("postgres:///d?hostaddr=10.0.0.1", "host=10.0.0.1&dbname=d"),
        ("postgres://h/d?ssl=true", "host=h&dbname=d&sslmode=require"),
        ("postgres://h/d?requiressl=1&sslmode=verify-ca", "host=h&dbname=d&sslmode=verify-ca"),
        ("postgres://h/d?sslrootcert=system", "host=h&dbname=d&sslrootcert=system&sslmode=verify-full"),
        ("postgres://h/d?options=-c a=b+c", "host=h&dbname=d&options=-c%20a%3Db%2Bc"),
        ("postgres://h/d?sslmode=&user=u", "host=h&user=u&dbname=d"),
    ],
)
def test_a_url_is_read_as_libpq_reads_it(url: str, dsn: str) -> None:
    assert parse(url).dsn().removeprefix("postgresql://?").startswith(dsn)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:p@h/d", "must start with postgres:// or postgresql://"),
        (
            "postgresql+asyncpg://u:p@h/d",
            "must start with postgres:// or postgresql://: postgresql+asyncpg is",
        ),
        ("jdbc:postgresql://h/d", "must start with postgres:// or postgresql://: jdbc:postgresql is JDBC's"),
        ("postgres://h/d?foo=1", "parameter foo is unknown: leave it out"),
        ("postgres://h/d?ssl=no-verify", "parameter ssl has a value of a driver: write sslmode=require"),
        ("postgres://h/d?sslmode=no-verify", "parameter sslmode must be one of disable, allow, prefer, require,"),
        ("postgres://h/d?gssencmode=require", "parameter gssencmode must be one of disable, prefer"),
        ("postgres://h/d?sslmode=require&sslrootcert=system", "sslrootcert=system needs sslmode=verify-full"),
        ("postgres://h/d?sslmode", "has a parameter without a name or a value"),
        ("postgres://h:0/d", "has a port that is no number from 1 to 65535"),
        ("postgres://h:65536/d", "has a port that is no number from 1 to 65535"),
        ("postgres://h,/d", "has a host that is none"),
        ("postgres://u:p@::1/d", "has a host that is none: write host, host:port or [IPv6 address]:port"),
        ("postgres:///d?host=h:5432", "has a host that is none"),
        (f"postgres://{'x' * 64}/d", "has a host whose name cannot be resolved"),
        ("postgres://a,b/d?port=1,2,3", "must have one port, or as many ports as hosts"),
    ],
)
def test_what_cannot_be_meant_is_named(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        parse(url)


@given(PASSWORDS)
def test_an_encoded_password_arrives(password: str) -> None:
    assert parse(f"postgres://user:{quote(password, safe='')}@h:1/d").parameters["password"] == password


@given(PASSWORDS)
def test_a_raw_password_arrives_or_is_said_to_need_encoding_and_is_not_shown(password: str) -> None:
    try:
        url = settings.load({"DATABASE_URL": f"postgres://user:{password}@h:1/d"}).database_url
        assert url is not None
        # %51 may be meant as Q: nothing can tell
        assert "%" in password or parse(url.get_secret_value()).parameters["password"] == password
    except UsageError as error:
        message = str(error)
        assert set(password) & set(RESERVED)
        assert message.startswith("DATABASE_URL: percent-encode reserved characters in the user, the password")
        assert [part for part in re.findall(r"[QXZ019]+", password) if len(part) > 1 and part in message] == []


@pytest.mark.parametrize("command", ["serve", "work", "migrate", "doctor", "import x.csv", "policies plan"])
@pytest.mark.parametrize("password", ["s3cr#et", "s3c/ret", "s3c?ret", "s3c@ret", "12/s3cr", "12?s3c=x", "s3cr%et"])
def test_every_command_says_it_in_one_line(command: str, password: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"postgres://app:{password}@127.0.0.1:5432/db"
    assert run(command.split(), {"DATABASE_URL": url, "JWT_SECRET": SECRET}) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert output.err.startswith("analytics-service: DATABASE_URL: percent-encode reserved characters")
    assert not any(part in output.err for part in (password, "s3c", "ret"))


def test_white_space_around_a_secret_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {
        "DATABASE_URL": "postgres://user:pw@h/d\n",
        "REDIS_URL": " redis://h/0\r\n",
        "JWT_SECRET": f"{SECRET}\n",
        "JWT_PREVIOUS_SECRET": f"\t{SECRET} ",
    }
    loaded = settings.load(environment)
    for name, value in environment.items():
        secret = getattr(loaded, name.lower())
        assert secret.get_secret_value() == value.strip()
    for secret in (f"{'x' * 31}\n", " " * 32):
        assert run(["token", "--org", "a"], {"JWT_SECRET": secret}) == 2
        assert re.match(r"analytics-service: JWT_SECRET: (must have at least 32|is not set)", capsys.readouterr().err)
