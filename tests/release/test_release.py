"""`make release`: what it writes, in what order it commits, and when it refuses."""

import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from release.__main__ import make
from release.page import PAGE, Release, releases, upgradable, with_release
from release.texts import PLACES, ReleaseError, numbers, with_section, with_version
from tests.support import releases as support
from tests.support.kube import TOP

DAY = date(2031, 2, 3)
CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Added\n- A thing.\n\n## 0.1.0 - 2026-11-24\n\n- The first.\n"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def nothing() -> None:
    """Generates no file."""


def no_images() -> str:
    return "not built"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of the files that a release changes, as they are, in one commit."""
    for path in (*PLACES, str(PAGE)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((TOP / path).read_text())
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.replace("0.1.0", last_version()))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "somebody")
    git(tmp_path, "config", "user.email", "somebody@example.org")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=Start")
    return tmp_path


def last_version() -> str:
    return releases((TOP / PAGE).read_text())[0].version


@pytest.mark.parametrize("path", PLACES)
def test_every_place_of_the_version_is_found_in_its_file(path: str) -> None:
    text = (TOP / path).read_text()
    changed = with_version(path, text, "77.88.99")
    assert changed.count("77.88.99") == len(PLACES[path])
    assert len(changed.splitlines()) == len(text.splitlines())


def test_a_place_that_moved_is_named() -> None:
    with pytest.raises(ReleaseError, match=r"service/pyproject\.toml: .* matches 0 lines"):
        with_version("service/pyproject.toml", "[project]\n", "1.0.0")


def test_the_unreleased_lines_get_a_heading_of_their_own() -> None:
    written = with_section(CHANGELOG, "0.2.0", DAY, last="0.1.0")
    assert written.startswith("# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2031-02-03\n\n### Added\n- A thing.\n")
    assert written.endswith("\n## 0.1.0 - 2026-11-24\n\n- The first.\n")


@pytest.mark.parametrize(
    ("changelog", "said"),
    [
        pytest.param(CHANGELOG.replace("- A thing.\n", ""), "nothing is listed", id="nothing unreleased"),
        pytest.param(CHANGELOG.replace("## Unreleased", "## Soon"), "nothing is listed", id="no Unreleased"),
        pytest.param(CHANGELOG.replace("## 0.1.0", "## 0.1.01"), "no section of 0.1.0", id="no section of the last"),
    ],
)
def test_a_changelog_that_cannot_be_released_is_refused(changelog: str, said: str) -> None:
    with pytest.raises(ReleaseError, match=said):
        with_section(changelog, "0.2.0", DAY, last="0.1.0")


@pytest.mark.parametrize("version", ["1", "1.2", "v1.2.3", "1.2.3rc1", "01.2.3", "1.2.3\n", ""])
def test_a_version_has_three_numbers(version: str) -> None:
    with pytest.raises(ReleaseError, match=r"x\.y\.z"):
        numbers(version)


def test_the_last_and_the_first_release_stay_tested() -> None:
    text = (TOP / PAGE).read_text()
    for number in (107, 108, 109):
        text = with_release(text, Release(version=f"{number}.0.0", date=DAY, commit=str(number) * 40))
    assert [release.state for release in releases(text)][:3] == ["N-1", "retired", "retired"]
    assert [release.version for release in upgradable(text)] == ["109.0.0", "0.1.0"]
    assert text.endswith((TOP / PAGE).read_text().rpartition("|\n")[2])


def test_the_page_names_commits_of_this_repository_newest_first() -> None:
    rows = releases((TOP / PAGE).read_text())
    assert rows[-1].version == "0.1.0"
    versions = [numbers(release.version) for release in rows]
    assert versions == sorted(versions, reverse=True)
    assert len({release.commit for release in rows}) == len(rows)
    for release in support.UPGRADABLE:
        assert f'"{release.version}"' in (support.tree(release) / "service/pyproject.toml").read_text()


def test_a_release_is_one_commit_and_the_next_one_names_it(clone: Path) -> None:
    made = make(clone, "77.88.99", DAY, generate=nothing, build=lambda: "analytics-service sha256:ab")
    assert git(clone, "log", "--format=%s").splitlines()[:2] == [
        "Name the commit of release 77.88.99",
        "Release 77.88.99",
    ]
    assert git(clone, "rev-parse", "HEAD~1") == made.commit
    assert git(clone, "status", "--porcelain") == ""
    assert releases((clone / PAGE).read_text())[0] == made
    for path, patterns in PLACES.items():
        assert git(clone, "show", f"{made.commit}:{path}").count("77.88.99") == len(patterns)
    assert "## 77.88.99 - 2031-02-03" in git(clone, "show", f"{made.commit}:CHANGELOG.md")


def refused() -> None:
    raise ReleaseError("make kustomize: failed")


@pytest.mark.parametrize(
    ("version", "generate", "said"),
    [
        pytest.param("0.0.1", nothing, "not after", id="an older version"),
        pytest.param("77.88.99", refused, "make kustomize", id="a step that fails"),
    ],
)
def test_what_fails_leaves_the_tree_as_it_was(
    clone: Path, version: str, generate: Callable[[], None], said: str
) -> None:
    before = git(clone, "rev-parse", "HEAD")
    with pytest.raises(ReleaseError, match=said):
        make(clone, version, DAY, generate=generate, build=no_images)
    assert git(clone, "rev-parse", "HEAD") == before
    assert git(clone, "status", "--porcelain") == ""


def test_a_tree_with_uncommitted_files_is_refused_by_name(clone: Path) -> None:
    (clone / "new.txt").write_text("")
    with pytest.raises(ReleaseError, match=r"new\.txt: is not committed"):
        make(clone, "77.88.99", DAY, generate=nothing, build=no_images)


def test_a_shallow_clone_says_how_to_get_a_release(tmp_path: Path, clone: Path) -> None:
    unknown = Release(version="0.1.0", date=DAY, commit="c" * 40)
    with pytest.raises(support.CommitMissing, match="git fetch --unshallow"):
        support.tree(unknown, clone=clone)
