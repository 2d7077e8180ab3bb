"""The files that state the version, and the changelog: what a release makes of their texts. Pure."""

import re
from datetime import date
from typing import Final

UNRELEASED: Final = "## Unreleased\n"
_CHART: Final = (r"^version: (\S+)$", r"^appVersion: (\S+)$")
_PROJECT: Final = (r'^version = "(.+)"$',)

PLACES: Final[dict[str, tuple[str, ...]]] = {
    "operator/pyproject.toml": _PROJECT,
    "service/pyproject.toml": _PROJECT,
    "service/src/analytics_service/__init__.py": (r'^__version__ = "(.+)"$',),
    "charts/crds/Chart.yaml": _CHART,
    "charts/operator/Chart.yaml": _CHART,
    "docker-compose.yaml": (r"^  image: analytics-service:(\S+)$",),
}
"""Where the version is written by hand, each pattern once; uv.lock and the kustomize base are generated from these."""


class ReleaseError(Exception):
    """One line that names what is in the way and the cure."""


def numbers(version: str) -> tuple[int, int, int]:
    """Returns the parts of a version x.y.z, which order it. Raises ReleaseError for any other form."""
    found = re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version)
    if not found:
        raise ReleaseError(f"VERSION={version}: a release is named x.y.z, as in VERSION=1.2.3")
    return int(found[1]), int(found[2]), int(found[3])


def with_version(path: str, text: str, version: str) -> str:
    """Returns the text of a file of PLACES with this version in place of its own."""
    for pattern in PLACES[path]:
        found = list(re.finditer(pattern, text, re.MULTILINE))
        if len(found) != 1:
            raise ReleaseError(f"{path}: {pattern} matches {len(found)} lines, not one: correct release/texts.py")
        start, end = found[0].span(1)
        text = text[:start] + version + text[end:]
    return text


def with_section(changelog: str, version: str, day: date, *, last: str) -> str:
    """Returns the changelog with the unreleased lines under a heading of their own, and an empty Unreleased above.

    The last release must have its section: without one its lines would be released a second time.
    """
    if not re.search(rf"^## {re.escape(last)}\b", changelog, re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md: has no section of {last}, the last release: put its lines under `## {last}`")
    before, heading, after = changelog.partition(UNRELEASED)
    lines, _, _ = after.partition("\n## ")
    if not heading or not re.search(r"^- ", lines, re.MULTILINE):
        raise ReleaseError("CHANGELOG.md: nothing is listed under `## Unreleased`: say there what users will notice")
    return f"{before}{UNRELEASED}\n## {version} - {day.isoformat()}\n{after}"
