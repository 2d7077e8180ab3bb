"""`forget plan` and `apply`: what the route does, for whoever has the database and no token."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support.service import HOUR, T0, a_row, insert

pytestmark = pytest.mark.postgres

Forget = Callable[..., tuple[int, str, str]]
ROWS = [
    a_row(number, trace_id=f"t{number}", ts=T0 + number * HOUR, user_id=user, project_id=project)
    for number, (user, project) in enumerate(
        [("ann", "web"), ("ann", "batch"), ("bob", "web"), ("ann", "web"), ("--user-id", "web")]
    )
]
OF_ANN = ("--org", "acme", "--user-id", "ann")


@pytest.fixture
def forget(command: Forget, database_url: str) -> Forget:
    asyncio.run(insert(database_url, ROWS))
    return partial(command, "forget")


def result(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer
    return json.loads(answer[1])


def test_a_plan_is_shown_and_applied_and_the_rollups_follow(forget: Forget, ask: Callable[[str], str]) -> None:
    plan = result(forget("plan", *OF_ANN, "--output", "json"))
    assert (plan["rows"], plan["state"]) == (3, "planned")
    done = result(forget("apply", plan["plan"], *OF_ANN, "--output", "json"))
    assert (done["state"], done["rows_deleted"]) == ("applied", 3)
    assert done["buckets_refreshed"] > 0
    assert ask("SELECT string_agg(DISTINCT user_id, ' ' ORDER BY user_id) FROM traces") == "--user-id bob"
    assert ask("SELECT count(*) FROM rollup_log") == "0"
    assert ask("SELECT string_agg(DISTINCT user_id, ' ' ORDER BY user_id) FROM rollup_user_1day") == "--user-id bob"


def test_people_see_the_days_and_the_next_command(forget: Forget) -> None:
    code, output, _ = forget("plan", *OF_ANN)
    assert code == 0
    assert "2024-03-04     3         3            30           0.003" in output
    digest = output.split("forget apply ")[1].split(",")[0]
    code, output, _ = forget("apply", digest, *OF_ANN)
    assert (code, output.startswith("3 rows deleted, ")) == (0, True)
    assert forget("plan", *OF_ANN)[1].startswith("nothing would change")


def test_a_project_and_any_name_of_a_user(forget: Forget, ask: Callable[[str], str]) -> None:
    plan = result(forget("plan", *OF_ANN, "--project", "batch", "--output", "json"))
    assert plan["rows"] == 1
    refused = forget("apply", plan["plan"], *OF_ANN)
    assert (refused[0], "is not the plan of this user's rows" in refused[2]) == (2, True)
    forget("apply", plan["plan"], *OF_ANN, "--project", "batch")
    assert ask("SELECT count(*) FROM traces WHERE user_id = 'ann'") == "2"
    assert result(forget("plan", "--org", "acme", "--user-id=--user-id", "--output", "json"))["rows"] == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("apply", "x", *OF_ANN), "16 hex digits"),
        (("plan", "--org", "acme"), "--user-id"),
        (("plan", "--org", "", "--user-id", "ann"), "--org: must have"),
        (("plan", "--org", "acme", "--user-id", ""), "--user-id: "),
        (("plan", "--org", "acme", "--user-id", "a" * 257), "--user-id: "),
    ],
)
def test_a_wrong_argument_is_one_line(forget: Forget, arguments: tuple[str, ...], why: str) -> None:
    code, output, error = forget(*arguments)
    assert (code, output, error.count("\n"), why in error) == (2, "", 1, True), error
