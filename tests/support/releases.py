"""The releases that today's code must take over from, as docs/releases.md names them, and their trees."""

import os
import subprocess
from pathlib import Path

from e2e.cluster import cache
from release import page
from release.page import Release
from tests.support.kube import TOP

UPGRADABLE = page.upgradable((TOP / page.PAGE).read_text())


class CommitMissing(Exception):
    """The clone does not hold a release's commit."""


def tree(release: Release, *, clone: Path = TOP) -> Path:
    """Returns the files of that release, checked out once into the cache; raises CommitMissing with the cure."""
    return cache.entry(f"release-{release.commit}", lambda folder: _check_out(release, clone, folder))


def _check_out(release: Release, clone: Path, folder: Path) -> None:
    archive = subprocess.run(["git", "archive", release.commit], cwd=clone, capture_output=True, check=False)
    if archive.returncode:
        raise CommitMissing(
            f"release {release.version}: its commit {release.commit} is not in this clone, which may be shallow: "
            "`git fetch --unshallow` brings it"
        )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def packages_of(release: Release) -> dict[str, str]:
    """Returns the variables that have `python -m` run that release's packages, on today's dependencies, unmeasured."""
    sources = [str(tree(release) / half / "src") for half in ("operator", "service")]
    return {"PYTHONPATH": os.pathsep.join(sources), "COVERAGE_PROCESS_CONFIG": ""}
