"""The command line: one line and an exit code for whatever goes wrong, and no secret in it."""

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from analytics_service import __version__
from analytics_service.__main__ import COMMANDS, run
from analytics_service.auth.tokens import Signer
from analytics_service.contract.principal import Permission
from tests.support.environment import program_environment
from tests.support.postgres import PASSWORD
from tests.support.service import SECRET

GOOD = {"DATABASE_URL": f"postgres://user:{PASSWORD}@127.0.0.1:1/db", "JWT_SECRET": SECRET, "APP_HOST": "127.0.0.1"}


def called(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "analytics_service", *arguments],
        env=program_environment(**(environment or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        pytest.param({"DATABASE_URL": ""}, "DATABASE_URL: is not set", id="no database"),
        pytest.param({"JWT_SECRET": ""}, "JWT_SECRET: is not set", id="no secret"),
        pytest.param(
            {"JWT_SECRET": "tooshort-9c1f"}, "JWT_SECRET: must have at least 32 characters", id="short secret"
        ),
        pytest.param({"DATABASE_URL": f"mysql://u:{PASSWORD}@h/d"}, "DATABASE_URL: must start with", id="wrong scheme"),
        pytest.param({"REDIS_URL": f"redis+srv://:{PASSWORD}@h"}, "REDIS_URL: must start with", id="Redis by SRV"),
        pytest.param({"API_PORT": "http"}, "API_PORT: ", id="a port in words"),
        pytest.param({"API_PORT": "70000"}, "API_PORT: ", id="a port that is none"),
        pytest.param({"LOG_LEVEL": "loud"}, "LOG_LEVEL: ", id="no such level"),
        pytest.param({"LOG_FORMAT": "xml"}, "LOG_FORMAT: ", id="no such format"),
        pytest.param({"CORS_ORIGINS": "*,https://a.example"}, "CORS_ORIGINS: ", id="all and some origins"),
        pytest.param({"CACHE_DEFAULT_TTL": "0"}, "CACHE_DEFAULT_TTL: ", id="no time to live"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(
    environment: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve"], {**GOOD, **environment}) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"analytics-service: {said}")
    assert captured.err.count("\n") == 1
    assert not any(secret in captured.err for secret in (PASSWORD, SECRET, "tooshort-9c1f"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "required: COMMAND", id="nothing"),
        pytest.param(["dance"], "invalid choice: 'dance'", id="no such command"),
        pytest.param(["serve", "--fast"], "unrecognized arguments: --fast", id="no such option"),
        pytest.param(["token"], "required: --org", id="no organisation"),
        pytest.param(["token", "--org", ""], "--org: must have 1 to 256 characters", id="an empty organisation"),
        pytest.param(["token", "--org", "a", "--role", "king"], "invalid choice: 'king'", id="no such role"),
        pytest.param(["token", "--org", "a", "--ttl-minutes", "0"], "--ttl-minutes: must be between", id="no life"),
        pytest.param(["try", "--port", "70000"], "--port: must be between", id="no such port"),
    ],
)
def test_a_bad_argument_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments, GOOD) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("analytics-service: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run([command, "--help"], {})
    assert ended.value.code == 0
    assert f"analytics-service {command}" in capsys.readouterr().out


def test_help_imports_neither_a_server_nor_prices() -> None:
    text = "import sys; from analytics_service.__main__ import parser; parser(); print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()
    assert not {"aiohttp", "redis", "uvloop", "genai_prices"} & set(loaded)


def test_the_version_is_that_of_the_distribution() -> None:
    import importlib.metadata

    assert called("--version").stdout == f"analytics-service {__version__}\n"
    assert importlib.metadata.version("analytics-service") == __version__


def test_a_token_is_one_that_the_service_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["token", "--org", "demo", "--role", "viewer", "--project", "a", "--project", "b"]
    extra = ["--permission", "metrics:query", "--subject", "zoe", "--ttl-minutes", "5"]
    assert run([*arguments, *extra], {"JWT_SECRET": SECRET}) == 0
    token = capsys.readouterr().out.strip()
    verified = Signer(secret=SECRET).verify(token)
    principal = verified.principal
    assert (principal.organisation, principal.subject, principal.project_list) == ("demo", "zoe", ["a", "b"])
    assert Permission.METRICS_QUERY in principal.permissions
    assert timedelta(minutes=4) < verified.expires - datetime.now(UTC) < timedelta(minutes=6)
    claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims.keys() == {"sub", "org_id", "projects", "role", "permissions", "iat", "exp", "jti"}


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = called("serve", environment={**GOOD, "API_PORT": port, "LOG_LEVEL": "error"})
    assert ended.returncode == 1
    assert ended.stderr == (
        f"analytics-service: API_PORT: port {port} is in use on 127.0.0.1; choose another, or stop what listens there\n"
    )


def test_the_document_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["openapi"], {}) == 0
    assert '"/api/v1/traces"' in capsys.readouterr().out


def test_the_service_can_be_tried(tmp_path: Path) -> None:
    ended = called("try", "--once", environment={"HOME": str(tmp_path), "COLUMNS": "120"})
    assert ended.returncode == 0, ended.stderr
    for figure in ("40,421,844", "4,334,561", "8,819", "19,366"):
        assert figure in ended.stdout
