"""The cache outside the clone: an entry is made beside its place and moved there whole, so interrupts leave none."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def root() -> Path:
    """$ANALYTICS_CACHE_DIR, else analytics-operator in the user's cache folder."""
    named = os.environ.get("ANALYTICS_CACHE_DIR")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "analytics-operator"
    path = Path(named) if named else base
    path.mkdir(parents=True, exist_ok=True)
    return path


def logs() -> Path:
    path = root() / "logs"
    path.mkdir(exist_ok=True)
    return path


def entry(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name, made by `make(empty folder)` when it is not there yet."""
    place = root() / name
    if place.exists():
        return place
    with lock(name):
        if not place.exists():
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root()))
            try:
                make(scratch)
                scratch.chmod(0o755)
                scratch.rename(place)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return place


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Held by one process at a time; the kernel lets go of it when its holder dies."""
    with (root() / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def key(*parts: str | Path) -> str:
    """Twelve digits that change with the texts, and with the contents of the files and folders."""
    digest = hashlib.sha256()
    for part in parts:
        files = (
            sorted(p for p in part.rglob("*") if p.is_file()) if isinstance(part, Path) and part.is_dir() else [part]
        )
        for file in files:
            digest.update(file.read_bytes() if isinstance(file, Path) else file.encode())
            digest.update(b"\0")
    return digest.hexdigest()[:12]
