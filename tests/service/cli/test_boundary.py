"""Whatever a command raises is one line and an exit code, without a traceback and without a secret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analytics_service.telemetry.redaction import redactor
from tests.support.environment import program_environment
from tests.support.postgres import PASSWORD
from tests.support.process import serving
from tests.support.service import SECRET, a_row, insert

RAW = "s3cr#et-2c9"
URL = f"postgres://app:{RAW}@127.0.0.1:5432/db"
ENCODED = "p%40ss%2Fword-77"
ENVIRONMENT = {
    "DATABASE_URL": f"postgres://app:{ENCODED}@127.0.0.1:1/db",
    "DATABASE_READONLY_URL": URL,
    "REDIS_URL": "redis://:red1s-pass@127.0.0.1:1/0",
    "JWT_SECRET": f"{SECRET}\n",
}
HIDDEN = (RAW, "s3cr", "et-2c9", ENCODED, "p@ss/word-77", "red1s-pass", SECRET)
FALLING = f"""
import asyncio, gc, os
from analytics_service.commands.command import Command
from analytics_service.commands.process import run_process
from analytics_service.errors import UsageError

HIDDEN = {HIDDEN!r}


class Last:
    def __del__(self):
        raise ValueError(HIDDEN)


async def task(_settings=None):
    async def fall():
        raise ValueError(f"cannot use {{HIDDEN}}")
    asyncio.ensure_future(fall())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()


async def forever(_settings):
    await task()
    raise ZeroDivisionError(str(HIDDEN))


def run(arguments, environment):
    match arguments.how:
        case "chained":
            try:
                int(HIDDEN[1])
            except ValueError as error:
                raise RuntimeError(f"first line of {{HIDDEN}}\\nsecond line") from error
        case "usage":
            raise UsageError(f"API_PORT: not {{HIDDEN}}")
        case "file":
            open("/nowhere/at-all")
        case "interrupt":
            raise KeyboardInterrupt
        case "task":
            asyncio.run(task())
        case "unraisable":
            Last()
        case "process":
            return run_process(forever, environment, require=("database_url",))
    return 0


COMMAND = Command(name="fall", help="fall", configure=lambda parser: parser.add_argument("how"), run=run)
"""
PROGRAM = "from analytics_service import __main__ as program; program.COMMANDS['fall'] = 'falling'; program.main()"


@pytest.fixture
def fallen(tmp_path: Path) -> Path:
    """A folder with a command that raises what it is asked for."""
    (tmp_path / "falling.py").write_text(FALLING)
    return tmp_path


def called(
    *arguments: str, stdout: int = subprocess.PIPE, program: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    start = ("-c", program) if program else ("-m", "analytics_service")
    return subprocess.run(
        [sys.executable, *start, *arguments],
        env=program_environment(**ENVIRONMENT | environment),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        pytest.param("chained", 1, "unexpected RuntimeError: first line of", id="an error that nothing foresaw"),
        pytest.param("usage", 2, "API_PORT: not", id="what the user can mend"),
        pytest.param("file", 2, "/nowhere/at-all: No such file or directory", id="a file"),
        pytest.param("task", 0, "Task exception was never retrieved", id="a task that nobody waits for"),
        pytest.param("unraisable", 0, "ValueError", id="an object at its end"),
    ],
)
def test_whatever_is_raised_is_one_line_without_a_secret(fallen: Path, how: str, code: int, said: str) -> None:
    done = called("fall", how, program=PROGRAM, PYTHONPATH=str(fallen))
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert [secret for secret in HIDDEN if secret in done.stderr] == []
    if how != "task":  # which the log tells of, with the places that it came from
        assert (done.stderr[:19], done.stderr.count("\n")) == ("analytics-service: ", 1)
        assert "Traceback" not in done.stderr


def test_an_interrupt_says_nothing(fallen: Path) -> None:
    done = called("fall", "interrupt", program=PROGRAM, PYTHONPATH=str(fallen))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_what_ends_a_process_is_in_its_log(fallen: Path) -> None:
    done = called(
        "fall", "process", program=PROGRAM, PYTHONPATH=str(fallen), DATABASE_READONLY_URL=URL.replace("#", "%23")
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"].splitlines()[0] for line in lines] == ["Task exception was never retrieved", "PROCESS_FAILED"]
    assert lines[1]["cause"].startswith("unexpected ZeroDivisionError: ")
    assert lines[1]["places"][-1].startswith("commands/process.py:")
    assert [secret for secret in HIDDEN if secret in done.stdout + done.stderr] == []


@pytest.mark.parametrize("secret", ["db", "postgres", "se\"cr'et\\x", "é-ü-1"])
def test_a_secret_is_masked_as_it_is_written_and_words_stay_readable(secret: str) -> None:
    redact = redactor([f"postgres://postgres:{secret}@db.example/x", "JWT"])
    text = f"the dbms PostgreSQL: {secret} {secret!r} {json.dumps(secret)} {json.dumps({'a': secret})}"
    assert redact(text).startswith("the dbms PostgreSQL: *** ")
    assert secret not in redact(text).removeprefix("the dbms PostgreSQL")
    assert redactor([""])(text) == text


async def test_serve_says_at_once_why_it_has_no_database() -> None:
    async with serving(f"postgres://user:{PASSWORD}@127.0.0.1:1/none") as service:
        assert service.process.stdout is not None
        lines = [json.loads(await service.process.stdout.readline()) for _ in range(2)]
    (line,) = [line for line in lines if line["event"] == "DATABASE_CONNECTION_FAILED"]
    assert (line["reason"], line["level"]) == ("DatabaseUnreachable", "warning")
    assert "there is no connection to the database" in line["cause"]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("command", "output"),
    [
        *((command, "full") for command in ("migrate", "policies plan", "doctor", "openapi", "--help")),
        *((command, output) for command in ("import", "token --org a") for output in ("full", "closed")),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    command: str, output: str, database_url: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("organisation,ts,model\nacme,2024-03-01T00:00:00Z,m\n")
    if output == "full":
        stdout = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, stdout = os.pipe()
        os.close(reader)
    try:
        arguments = [*command.split(), *([str(rows)] if command == "import" else [])]
        done = called(*arguments, stdout=stdout, DATABASE_URL=database_url, REDIS_URL="", DATABASE_READONLY_URL="")
    finally:
        os.close(stdout)
    why = {"full": "No space left on device", "closed": "Broken pipe"}[output]
    assert done.stderr.splitlines()[-1] == f"analytics-service: standard output cannot be written: {why}"
    assert done.returncode == {"full": 1, "closed": 141}[output]
    assert "Traceback" not in done.stderr


@pytest.mark.postgres
async def test_a_log_that_cannot_be_written_is_said_once_and_ends_nothing(database_url: str, tmp_path: Path) -> None:
    await insert(database_url, [a_row()])
    full, stderr = (os.open(path, os.O_WRONLY | os.O_CREAT) for path in ("/dev/full", tmp_path / "stderr"))
    try:
        async with serving(database_url, "serve", (full, stderr)) as service:
            await service.until("/health/ready", 200)
            assert await service.status("/nothing") == 404
            service.process.terminate()
            code = await service.process.wait()
    finally:
        os.close(full)
        os.close(stderr)
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert (code, lines) == (
        1,
        [
            "analytics-service: the log cannot be written: No space left on device",
            "analytics-service: standard output cannot be written: No space left on device",
        ],
    )
