"""Environments of clients: each has exactly what its file in locks/ pins, and is made once, outside of the clone.

To pin newer releases: `uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
NAME.in -o NAME.txt`, and in javascript/ `npm install --save-exact --omit-lockfile-registry-resolved NAME@latest`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from e2e.cluster import cache
from e2e.cluster.golang import go

LOCKS: Final = Path(__file__).parent / "locks"
_TOP: Final = Path(__file__).parents[2]


def python(name: str) -> Path:
    """The Python of a virtual environment of what locks/NAME.txt pins."""
    lock = LOCKS / f"{name}.txt"

    def make(folder: Path) -> None:
        uv = _uv()
        _call(uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, "--allow-existing", str(folder))
        into = ("--python", str(folder / "bin" / "python"))
        _call(uv, "pip", "install", "--quiet", "--require-hashes", *into, "-r", str(lock))

    return cache.entry(f"client-{name}-{cache.key(sys.version, lock)}", make) / "bin" / "python"


def javascript() -> tuple[Path, Path]:
    """Node and the folder of packages that locks/javascript pins; skips the test where there is no Node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    lock = LOCKS / "javascript"

    def make(folder: Path) -> None:
        for each in lock.iterdir():
            shutil.copy(each, folder)
        _call(npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))

    return Path(node), cache.entry(f"client-javascript-{cache.key(lock)}", make)


def collector(*, build: bool = False) -> Path:
    """OpenTelemetry's Collector of the Go modules that locks/collector pins: `make collector` builds it, in minutes;
    without it the test is skipped.
    """
    lock = LOCKS / "collector"
    name = f"client-collector-{cache.key(lock)}"
    if not build and not (cache.root() / name).exists():
        pytest.skip("the Collector is not built: make collector")

    def make(folder: Path) -> None:
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
        command = (str(go()), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(folder / "otelcol"), ".")
        _call(*command, cwd=lock, env=environment)

    return cache.entry(name, make) / "otelcol"


def _uv() -> str:
    """That of `uv run`, which names itself; else one that is installed, or that the Makefile has fetched."""
    uv = os.environ.get("UV") or shutil.which("uv") or shutil.which("uv", path=str(_TOP / ".uv/bin"))
    assert uv is not None, "there is no uv: run these tests by `make test`, or install uv"
    return uv


def _call(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"


if __name__ == "__main__":
    print(collector(build=True))  # noqa: T201 - for `make collector`
