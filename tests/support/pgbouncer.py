"""A real PgBouncer in transaction mode before a test's database, with fewer sessions than clients."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.ports import a_free_port
from tests.support.postgres import PASSWORD, accepts

SESSIONS = 2


@contextmanager
def pooled(database_url: str, **options: str) -> Iterator[str]:
    """The URL of the database behind the pooler."""
    binary, server, port = _installed(), urlsplit(database_url), a_free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        users, config = Path(folder) / "users", Path(folder) / "pgbouncer.ini"
        users.write_text(f'"postgres" "{PASSWORD}"\n')
        said = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "pool_mode": "transaction",
            "default_pool_size": str(SESSIONS),
            **options,
        }
        lines = "\n".join(f"{name} = {value}" for name, value in said.items())
        config.write_text(f"[databases]\n* = host={server.hostname} port={server.port}\n[pgbouncer]\n{lines}\n")
        command = [binary, "-q", str(config)]
        if os.geteuid() == 0:  # as whom it refuses to run
            for path in (Path(folder), users, config):
                shutil.chown(path, "nobody")
            command[1:1] = ["-u", "nobody"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while not accepts(port):
                assert process.poll() is None, "pgbouncer ended at its start"
                assert time.monotonic() < deadline, "pgbouncer does not listen"
                time.sleep(0.02)
            yield urlunsplit(server._replace(netloc=f"postgres:{PASSWORD}@127.0.0.1:{port}"))
        finally:
            process.terminate()
            process.wait(10)


def _installed() -> str:
    """Path of the program. No package registry has it: the test is skipped without it, but never where CI runs it."""
    binary = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is not None:
        return binary
    missing = "PgBouncer is not installed: install your system's package pgbouncer, or run with INSTALL=1 as root"
    if "CI" in os.environ or os.environ.get("INSTALL") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
