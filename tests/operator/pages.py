"""Commands of the documentation, run by a shell as a reader runs them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from e2e.cluster import gomodules
from tests.support.environment import program_environment
from tests.support.kube import TOP

BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(page: str, section: str) -> Iterator[str]:
    """Those of a section, by its heading; a command may go on in the lines below it."""
    text = (TOP / page).read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for block in BLOCK.findall(text):
        yield from (each.strip() for each in re.split(r"^\$ ", block, flags=re.MULTILINE) if each.strip())


def sections(page: str) -> list[str]:
    """The headings of all sections that have commands."""
    headings = re.findall(r"^## (.*)$", (TOP / page).read_text(), re.MULTILINE)
    return [each for each in headings if list(commands(page, each))]


def run(command: str, kubeconfig: Path, *, folder: Path) -> subprocess.CompletedProcess[str]:
    """With kubectl, helm and kubectl-aapi on the PATH, in a folder that has our charts and docs."""
    for name in ("charts", "docs"):
        if not (folder / name).exists():
            (folder / name).symlink_to(TOP / name)
    path = os.pathsep.join((str(gomodules.clients()), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = program_environment(KUBECONFIG=str(kubeconfig), PATH=path, HOME=str(folder))
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
