"""The processes of a run: PostgreSQL, Redis, `migrate`, `serve` and `work`, started as people start them."""

import asyncio
import os
import secrets
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from analytics_service.commands.embedded import postgres
from bench.service.servers import SERVICE, Server, free_port, running_redis

_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 40


@dataclass(frozen=True, kw_only=True)
class Live:
    url: str
    """Of a database of its own."""
    secret: str
    """Of tokens."""
    service: Server
    redis: int
    """Process id."""
    environment: dict[str, str]
    folder: Path

    @contextmanager
    def worker(self) -> Iterator[Server]:
        """A worker that runs while the block does: rows that are loaded at once are loaded before, without it."""
        ports = {"API_METRICS_PORT": str(free_port())}
        with _started("work", self.environment | ports, self.folder / "work.log", ports["API_METRICS_PORT"]) as worker:
            yield worker


@contextmanager
def running(dsn: str | None) -> Iterator[Live]:
    """All but the worker; `dsn` names a server to use, whose user is a superuser. Raises SystemExit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-live-")))
        url = stack.enter_context(_database(dsn or stack.enter_context(postgres(None))))
        redis_port, redis_process = stack.enter_context(running_redis(folder))
        secret = secrets.token_urlsafe(48)
        environment = os.environ | {
            "DATABASE_URL": url,
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "JWT_SECRET": secret,
            "LOG_LEVEL": "warning",
        }
        done = subprocess.run([*SERVICE, "migrate"], env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"migrate: {done.stderr.strip()[-1000:]}")
        ports = {"API_PORT": str(free_port()), "API_METRICS_PORT": str(free_port())}
        log = folder / "serve.log"
        service = stack.enter_context(_started("serve", environment | ports, log, ports["API_PORT"]))
        yield Live(url=url, secret=secret, service=service, redis=redis_process, environment=environment, folder=folder)


@contextmanager
def _database(server: str) -> Iterator[str]:
    """A database that exists only inside."""
    name = f"bench_live_{os.getpid()}"
    asyncio.run(_admin(server, f"CREATE DATABASE {name}"))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        asyncio.run(_admin(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _started(command: str, environment: dict[str, str], log: Path, port: str) -> Iterator[Server]:
    """Yields when it is ready; its log goes to a file, since nobody reads a pipe."""
    with log.open("wb") as output:
        process = subprocess.Popen([*SERVICE, command], env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _await_ready(command, process, f"http://127.0.0.1:{port}/health/ready", log)
        yield Server(pid=process.pid, port=int(port))
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(command: str, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            with urllib.request.urlopen(url) as response:  # noqa: S310 - loopback
                if response.status == 200:
                    return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command} is not ready: {error}\n{log.read_text()[-2000:]}") from error
        time.sleep(0.1)
