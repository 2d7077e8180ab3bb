"""The images that run in the cluster: operator, service, and the stores that tests and the demonstration use."""

from dataclasses import dataclass
from pathlib import Path
from string import Template

from e2e.cluster import cache, debian, engine, versions

TOP = Path(__file__).parents[2]
HERE = Path(__file__).parent
MANIFESTS = TOP / "e2e" / "manifests"
PROGRAMS = ("operator", "service")


@dataclass(frozen=True, kw_only=True)
class Stores:
    postgres: str
    postgres_entrypoint: str
    redis: str


def program_images(tag: str) -> list[str]:
    return [f"analytics-{name}:{tag}" for name in PROGRAMS]


def build(tag: str) -> list[str]:
    """Builds what differs from the last time; the names of all images that the cluster needs."""
    build_programs(tag, TOP)
    return everything(tag)


def build_programs(tag: str, top: Path) -> None:
    """Builds operator and service of that tree, as far as they differ from the last time."""
    engine.ensure()
    base = versions.PYTHON_IMAGE if engine.published(versions.PYTHON_IMAGE) else _python()
    for name, image in zip(PROGRAMS, program_images(tag), strict=True):
        engine.build(image, top, dockerfile=top / f"Dockerfile.{name}", BASE_IMAGE=base)


def everything(tag: str) -> list[str]:
    found = stores()
    return [*program_images(tag), *sorted({found.postgres, found.redis})]


def stores() -> Stores:
    """Published images where a registry hands them out, else one built from Debian packages."""
    if engine.published(versions.POSTGRES_IMAGE) and engine.published(versions.REDIS_IMAGE):
        return Stores(
            postgres=versions.POSTGRES_IMAGE, postgres_entrypoint="docker-entrypoint.sh", redis=versions.REDIS_IMAGE
        )
    image = from_trixie("stores", HERE / "stores")
    return Stores(postgres=image, postgres_entrypoint="start-postgres", redis=image)


def manifests(prefix: str) -> str:
    """YAML of PostgreSQL and Redis with the images that `stores` found, as the cluster names them."""
    found = stores()
    names = {
        "POSTGRES_IMAGE": prefix + found.postgres,
        "POSTGRES_ENTRYPOINT": found.postgres_entrypoint,
        "REDIS_IMAGE": prefix + found.redis,
    }
    return "---\n".join(Template(file.read_text()).substitute(names) for file in sorted(MANIFESTS.glob("*.yaml")))


def _python() -> str:
    return from_trixie("python", HERE / "bases" / "python")


def from_trixie(name: str, folder: Path) -> str:
    """The name of an image made from that folder and Debian's packages."""
    base = debian.trixie()
    image = f"analytics-e2e/{name}:{cache.key(base, folder)}"
    if not engine.has_image(image):
        engine.build(image, folder, BASE_IMAGE=base)
    return image
