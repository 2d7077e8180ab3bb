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


LISTS = "OpenAPI says of lists in queries how they are written and how many items they take"
ACCEPTED = (
    *(
        AcceptedBreak(
            line=f"GET {path}: query parameter * {change}",
            reason="requests are taken as before: the document said otherwise, or nothing",
            changelog=LISTS,
        )
        for path, change in (
            ("/api/v1/metrics", "m*Items was none, is *"),
            ("/api/v1/traces", "m*Items was none, is *"),
            ("/api/v1/traces", "was written as form, exploded, is written as form, not exploded"),
        )
    ),
    AcceptedBreak(
        line="GET /api/v1/costs/summary: response 200 data.by_*[].cost may now be null",
        reason="it was 0 where no request had a price, as if the requests had cost nothing",
        changelog="the cost of a provider or model of which no request has one is null",
    ),
    AcceptedBreak(
        line='*: response 200 meta.source may now be "traces_1day_tag"',
        reason="one description of `meta` serves all routes; only costs by tag, a new route, have the value",
        changelog="`meta.source` (`traces_1day_tag`)",
    ),
    AcceptedBreak(
        line='*: response 200 meta.incomplete[].reason may now be "scores_below_retention"',
        reason="one description of `meta` serves all routes; only the new ones that read scores have the value",
        changelog="`meta.incomplete` (`scores_below_retention`, `prompts_below_retention`)",
    ),
    AcceptedBreak(
        line='*: response 200 meta.incomplete[].reason may now be "prompts_below_retention"',
        reason="one description of `meta` serves all routes; only `optimization`, a new one, has the value",
        changelog="`meta.incomplete` (`scores_below_retention`, `prompts_below_retention`)",
    ),
)


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
