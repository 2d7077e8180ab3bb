"""docs/operator/conditions.md has every condition and reason of both halves, and is what the code says."""

import os
import re
from pathlib import Path

from analytics_operator import errors
from analytics_operator.api.conditions import Reason, Type
from analytics_operator.state.migration import TRANSIENT
from analytics_operator.status import CONDITIONS
from analytics_operator.status.reference import EXPLAINED, page, rows
from analytics_service.database.failures import FailureReason
from analytics_service.policies.outcome import PolicyReason
from analytics_service.worker.freshness import FreshnessReason

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs/operator/conditions.md"


def explained(condition: Type) -> set[str]:
    return {row.reason for row in rows() if row.condition is condition}


def test_the_page_is_what_the_code_says() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run `make docs`"


def test_every_condition_is_explained_in_the_order_of_the_status() -> None:
    assert list(EXPLAINED) == [each.type for each in CONDITIONS]


def test_every_reason_of_the_operator_is_explained() -> None:
    assert {row.reason for row in rows()} >= {each.value for each in Reason}


def test_every_reason_of_a_child_that_is_refused_is_explained() -> None:
    refusals = {errors.Refused.reason} | {each.reason for each in errors.Refused.__subclasses__()}
    assert explained(Type.READY) >= refusals | {errors.ChildConflict.reason, errors.SecretUnconfirmed.reason}


def test_every_reason_of_the_service_is_explained() -> None:
    assert explained(Type.POLICIES_APPLIED) >= {each.value for each in PolicyReason}
    assert explained(Type.DATA_FRESH) >= {each.value for each in FreshnessReason}
    source = (TOP / "service/src/analytics_service/database/migrate/runner.py").read_text()
    results = re.findall(r'\.result\(\s*"(\w+)"|^    \w+: "(\w+)",$', source, re.MULTILINE)
    assert len(results) > 3
    assert explained(Type.MIGRATED) >= {each.value for each in FailureReason} | TRANSIENT | {
        each for pair in results for each in pair if each
    }


def test_every_reason_has_a_cure_of_one_line() -> None:
    assert all(row.cure and "\n" not in row.cure and "|" not in row.cure for row in rows())
