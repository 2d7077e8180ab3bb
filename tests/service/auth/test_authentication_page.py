"""docs/authentication.md lists the roles, permissions and rates that there are."""

import re
from pathlib import Path

from analytics_service.auth.api_keys import secret, verifier
from analytics_service.contract.principal import LIMITS, PERMISSIONS, Permission, Role
from analytics_service.database.content_policy import Redaction

PAGE = (Path(__file__).parents[3] / "docs" / "authentication.md").read_text()


def granted(words: str) -> frozenset[Permission]:
    """Of a cell, as `all that read` or `exports:*`."""
    if words.startswith("all, "):
        return frozenset(Permission)
    reads = {each for each in Permission if each.endswith(":read")} if "all that read" in words else set[Permission]()
    patterns = [re.escape(name).replace(r"\*", ".*") for name in re.findall(r"`([^`]+)`", words)]
    return frozenset(reads | {each for each in Permission if any(re.fullmatch(one, each) for one in patterns)})


def test_the_table_of_roles_is_that_of_the_code() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if re.match(r"\| `\w+` \|.*\| [0-9,]+ \|$", line)
    ]
    assert {Role(row[0].strip("`")): granted(row[1]) for row in rows} == PERMISSIONS
    assert {Role(row[0].strip("`")): tuple(int(cell.replace(",", "")) for cell in row[2:]) for row in rows} == {
        role: (limit.per_minute, limit.burst) for role, limit in LIMITS.items()
    }


def test_every_permission_is_named() -> None:
    listed = PAGE.partition("Permissions: ")[2].partition(". A token")[0]
    assert sorted(re.findall(r"`([a-z:]+)`", listed)) == sorted(Permission)


def test_the_pattern_for_scanners_is_that_of_secrets() -> None:
    (pattern,) = re.findall(r"`(llmo_sk_\[.*?)`", PAGE)
    assert re.fullmatch(pattern, secret.encoded(bytes(32)))
    assert verifier.OUTAGE_SECONDS == 5 * 60
    assert verifier.MAX_AGE_SECONDS + verifier.RENEW_SECONDS < 5


def test_every_redaction_is_named() -> None:
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, flags=re.MULTILINE)
    assert listed == [each.value for each in Redaction]
