"""Add-ons that only `make e2e-full` has in its cluster: an image of one program each."""

import shutil
from pathlib import Path

from e2e.cluster import cache, debian, engine, gomodules, images, kind
from e2e.cluster.gomodules import Program

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY program /program
ENTRYPOINT ["/program"]
"""


def loaded(program: Program, *, context: str) -> str:
    """The name of an image with this program, built from its Go module, and a node's tools; the nodes have it then."""
    image = f"analytics-e2e/{program.name}:{program.version}"
    if not engine.has_image(image):
        with cache.scratch("context") as folder:
            shutil.copy(gomodules.program(program), folder / "program")
            (folder / "Dockerfile").write_text(DOCKERFILE)
            engine.build(image, folder, BASE_IMAGE=debian.bookworm())
    return _taken(image, context)


def packaged(folder: Path, *, context: str) -> str:
    """The same with what the folder's Dockerfile installs from Debian's packages."""
    return _taken(images.from_trixie(folder.name, folder), context)


def _taken(image: str, context: str) -> str:
    kind.taker(kind.chosen(context))([image])
    return image
