"""Add-ons that only `make e2e-full` has in its cluster: an image of one program each, built from Go modules."""

import shutil

from e2e.cluster import cache, debian, engine, gomodules, kind
from e2e.cluster.gomodules import Program

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY program /program
ENTRYPOINT ["/program"]
"""


def loaded(program: Program, *, context: str) -> str:
    """The name of an image with this program and a node's tools, which the nodes of the cluster have afterwards."""
    image = f"analytics-e2e/{program.name}:{program.version}"
    if not engine.has_image(image):
        with cache.scratch("context") as folder:
            shutil.copy(gomodules.program(program), folder / "program")
            (folder / "Dockerfile").write_text(DOCKERFILE)
            engine.build(image, folder, BASE_IMAGE=debian.bookworm())
    kind.taker(kind.chosen(context))([image])
    return image
