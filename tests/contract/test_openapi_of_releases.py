"""What of today's OpenAPI document breaks clients of the last release is accepted by name, and nothing else does.

The last release's document is made by its own code, from its commit and on today's dependencies, as the other tests of
releases run it: that takes a second, and there is no copy that could differ from what was released. The table below is
emptied after a release: what broke before it is no longer a break.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from release.texts import UNRELEASED
from tests.support.environment import program_environment
from tests.support.kube import TOP
from tests.support.openapi_breaks import breaks
from tests.support.releases import UPGRADABLE, packages_of


@dataclass(frozen=True, kw_only=True)
class AcceptedBreak:
    line: str
    """As the test says it, where `*` stands for anything."""
    reason: str
    changelog: str
    """Words of the line of CHANGELOG.md that says so, below Unreleased."""

    def covers(self, line: str) -> bool:
        return fnmatchcase(line, self.line.replace("[", "[[]"))


ACCEPTED: tuple[AcceptedBreak, ...] = ()


def printed(**variables: str) -> Any:
    """The document that the command prints with these variables."""
    command = [sys.executable, "-m", "analytics_service", "openapi"]
    done = subprocess.run(command, env=program_environment(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [str(each) for each in breaks(printed(**packages_of(UPGRADABLE[0])), printed())]


def test_whatever_breaks_clients_of_the_last_release_is_accepted(lines: list[str]) -> None:
    assert [line for line in lines if not any(accepted.covers(line) for accepted in ACCEPTED)] == []


def test_what_is_accepted_does_break_them(lines: list[str]) -> None:
    assert [accepted.line for accepted in ACCEPTED if not any(map(accepted.covers, lines))] == []


def test_the_changelog_says_each_of_them() -> None:
    _, _, below = (TOP / "CHANGELOG.md").read_text().partition(UNRELEASED)
    unreleased = re.sub(r"\s+", " ", below.partition("\n## ")[0])
    assert [accepted.line for accepted in ACCEPTED if accepted.changelog not in unreleased] == []
