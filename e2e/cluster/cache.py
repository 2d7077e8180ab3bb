"""The cache outside the clone: an entry is made beside its place and moved there whole, so interrupts leave none."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
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
            with scratch(name) as folder:
                make(folder)
                folder.chmod(0o755)
                folder.rename(place)
    return place


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """An empty folder for the holder of a lock; what a killed process left under this name goes first."""
    for left in root().glob(f".{name}-*"):
        _discard(left)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root()))
    try:
        yield folder
    finally:
        _discard(folder)


def _discard(folder: Path) -> None:
    """Unmounts what lies below it first: debootstrap mounts /proc and /sys, and may have been killed."""
    mounts = Path("/proc/self/mounts")
    places = [line.split()[1] for line in mounts.read_text().splitlines()] if mounts.exists() else []
    for place in reversed(places):
        if place.startswith(f"{folder}/"):
            subprocess.run(("umount", "--lazy", place), check=False)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Held by one process at a time; the kernel lets go of it when its holder dies."""
    with (root() / f".{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"  waiting for another run that makes {name}", file=sys.stderr, flush=True)
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
