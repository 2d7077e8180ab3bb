"""`python -m release VERSION [--images]`: one commit that is the release, and one that names it in docs/releases.md."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from e2e.cluster import engine, images
from e2e.cluster.shell import ClusterError
from release.page import NOT_BUILT, PAGE, Release, releases, with_release
from release.texts import PLACES, ReleaseError, numbers, with_section, with_version

TOP = Path(__file__).parents[1]
CHANGELOG = "CHANGELOG.md"
TAG = "dev"
"""That of the images which `make images` builds."""


def make(top: Path, version: str, day: date, *, generate: Callable[[], None], build: Callable[[], str]) -> Release:
    """Commits the release and then its row; a step that fails before the first commit leaves the tree as it was.

    `generate` writes anew what is derived from the versions; `build` returns what the row says of images.
    """
    if dirty := _git(top, "status", "--porcelain"):
        raise ReleaseError(f"{dirty.splitlines()[0].split()[-1]}: is not committed: a release is made on a clean tree")
    last = releases((top / PAGE).read_text())[0].version
    if numbers(version) <= numbers(last):
        raise ReleaseError(f"VERSION={version}: is not after {last}, the last release")
    try:
        _write(top, version, day, last=last)
        generate()
        built = build()
        _git(top, "commit", "--quiet", "--all", f"--message=Release {version}")
    except BaseException:
        _git(top, "restore", "--staged", "--worktree", ".")
        raise
    release = Release(version=version, date=day, commit=_git(top, "rev-parse", "HEAD").strip(), images=built)
    (top / PAGE).write_text(with_release((top / PAGE).read_text(), release))
    _git(top, "commit", "--quiet", f"--message=Name the commit of release {version}", str(PAGE))
    return release


def _write(top: Path, version: str, day: date, *, last: str) -> None:
    changelog = top / CHANGELOG
    changelog.write_text(with_section(changelog.read_text(), version, day, last=last))
    for path in PLACES:
        (top / path).write_text(with_version(path, (top / path).read_text(), version))


def _git(top: Path, *arguments: str) -> str:
    return _run(top, "git", *arguments)


def _run(top: Path, *command: str) -> str:
    """Returns what it prints on standard output. Raises ReleaseError with its last line when it fails."""
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise ReleaseError(f"{' '.join(command[:3])}: {lines[-1]}")
    return done.stdout


def _generate() -> None:
    _run(TOP, os.environ.get("UV", "uv"), "lock")  # `uv run` names itself there
    _run(TOP, "make", "--no-print-directory", "kustomize")


def _build() -> str:
    try:
        images.build(TAG)
        return ", ".join(f"{image.partition(':')[0]} {engine.image_id(image)}" for image in images.program_images(TAG))
    except ClusterError as error:
        raise ReleaseError(str(error)) from error


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("version", help="x.y.z")
    parser.add_argument("--images", action="store_true", help="build the images, and note their ids")
    arguments = parser.parse_args()
    build = _build if arguments.images else lambda: NOT_BUILT
    try:
        release = make(TOP, arguments.version, datetime.now(UTC).date(), generate=_generate, build=build)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    print(f"{release.version} is {release.commit}; {PAGE} names it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
