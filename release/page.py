"""docs/releases.md as values: its table names each release's commit, newest first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Final

PAGE: Final = Path("docs/releases.md")
LAST, BASELINE, RETIRED = "N-1", "baseline", "retired"
"""Tests upgrade from the last release and from the first; those between are retired."""
NOT_BUILT: Final = "not built"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A row of the table, in the order of its columns."""

    version: str
    date: date
    commit: str
    images: str = NOT_BUILT
    state: str = LAST


_HEAD: Final = (
    "".join(f"| {column.name} " for column in fields(Release)) + "|\n" + "|---" * len(fields(Release)) + "|\n"
)


def releases(text: str) -> tuple[Release, ...]:
    """Returns the rows of the table, newest first."""
    _, head, below = text.partition(_HEAD)
    if not head:
        raise ValueError(f"{PAGE}: has no table with the columns {_HEAD.splitlines()[0]}")
    rows = (line.strip("| ").split(" | ") for line in below.splitlines() if line.startswith("|"))
    return tuple(
        Release(version=version, date=date.fromisoformat(day), commit=commit, images=images, state=state)
        for version, day, commit, images, state in rows
    )


def with_release(text: str, release: Release) -> str:
    """Returns the page with one more row, and each row's state as its place says."""
    before, _, below = text.partition(_HEAD)
    after = "".join(line for line in below.splitlines(keepends=True) if not line.startswith("|"))
    rows = _restated([release, *releases(text)])
    return before + _HEAD + "".join(map(_row, rows)) + after


def upgradable(text: str) -> tuple[Release, ...]:
    """Returns the releases that today's code must take over from."""
    return tuple(release for release in releases(text) if release.state != RETIRED)


def _restated(rows: Sequence[Release]) -> list[Release]:
    states = [LAST, *[RETIRED] * (len(rows) - 2), BASELINE]
    return [replace(row, state=state) for row, state in zip(rows, states, strict=False)]


def _row(release: Release) -> str:
    return "| " + " | ".join(str(getattr(release, column.name)) for column in fields(release)) + " |\n"
