"""What a run starts: PostgreSQL with fsync and synchronous_commit on, `serve`, `work`, and the programs beside them."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from analytics_service.commands.embedded import postgres
from bench.service import axum, question
from bench.service.cpu import cpu_seconds, cpu_seconds_with_children
from bench.service.servers import PROGRAMS, SERVICE, Server, free_port, running_process, running_program

_SECONDS_TO_START = 120
OURS, FAST, AXUM = "ours", "FastAPI + asyncpg", "axum + tokio-postgres"


@dataclass(frozen=True, kw_only=True)
class Servers:
    secret: str
    database_url: str
    work: int
    """Process id, as of PostgreSQL's first process."""
    postmaster: int
    programs: dict[str, Server]
    skipped: dict[str, str]
    """Why a program is not there."""

    def token(self, program: str, subject: str) -> str:
        """Each program has an organisation of its own, of its name."""
        return question.token(self.secret, subject, program)

    def cpu(self, name: str) -> dict[str, float]:
        """Seconds since each process began."""
        return {
            "program": cpu_seconds(self.programs[name].pid),
            "worker": cpu_seconds(self.work),
            "PostgreSQL": cpu_seconds_with_children(self.postmaster),
        }


@contextmanager
def running_servers() -> Iterator[Servers]:
    built = axum.built("ingest")
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            url = stack.enter_context(postgres(folder / "data"))
            secret = secrets.token_urlsafe(48)
            environment = os.environ | {"DATABASE_URL": url, "JWT_SECRET": secret, "LOG_LEVEL": "warning"}
            subprocess.run([*SERVICE, "migrate"], env=environment, check=True, capture_output=True)
            port, metrics, of_work = (free_port() for _ in range(3))
            serve = environment | {"API_PORT": str(port), "API_METRICS_PORT": str(metrics)}
            work = environment | {"API_METRICS_PORT": str(of_work)}
            served = stack.enter_context(running_process(*SERVICE, "serve", environment=serve))
            worked = stack.enter_context(running_process(*SERVICE, "work", environment=work))
            _until_ready(port)
            programs = {OURS: Server(pid=served.pid, port=port)}
            fast = (sys.executable, PROGRAMS / "fast_ingest.py")
            programs[FAST] = stack.enter_context(running_program(environment, *fast))
            if isinstance(built, Path):
                programs[AXUM] = stack.enter_context(running_program(environment, built))
            yield Servers(
                secret=secret,
                database_url=url,
                work=worked.pid,
                postmaster=int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]),
                programs=programs,
                skipped={} if isinstance(built, Path) else {AXUM: built},
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _until_ready(port: int) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("serve: is not ready")
